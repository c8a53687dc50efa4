// SPDX-License-Identifier: Apache-2.0
// A program on a virtual machine of its own: objects, tables, text, threads.
import java.util.ArrayList;
import java.util.HashMap;

public class Work {
	static long primes(int limit) {
		boolean[] not = new boolean[limit];
		long sum = 0;

		for (int i = 2; i < limit; i++) {
			if (not[i])
				continue;
			sum += i;
			for (long j = (long) i * i; j < limit; j += i)
				not[(int) j] = true;
		}
		return sum;
	}

	static int words(int count) {
		HashMap<String, ArrayList<Integer>> places = new HashMap<>();
		int longest = 0;

		for (int i = 0; i < count; i++)
			places.computeIfAbsent("word" + i * 7919 % 997, w -> new ArrayList<>()).add(i);
		for (ArrayList<Integer> p : places.values())
			longest = Math.max(longest, p.size());
		return longest;
	}

	public static void main(String[] arguments) throws InterruptedException {
		int rounds = Integer.parseInt(arguments[0]);
		Thread[] threads = new Thread[4];
		long[] sums = new long[threads.length];

		for (int i = 0; i < threads.length; i++) {
			int at = i;

			threads[i] = new Thread(() -> sums[at] = primes(rounds * (at + 1)));
			threads[i].start();
		}
		int longest = words(rounds);
		for (Thread t : threads)
			t.join();
		System.out.println(longest + " " + sums[0] + " " + sums[threads.length - 1]);
	}
}
