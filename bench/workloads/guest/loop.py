# SPDX-License-Identifier: Apache-2.0
# Numbers, dictionaries and text, as interpreted programs have them.
def primes(n):
    sieve = bytearray([1]) * n
    for i in range(2, int(n**0.5) + 1):
        if sieve[i]:
            for j in range(i * i, n, i):
                sieve[j] = 0
    return sum(sieve) - 2


def words(n):
    seen = {}
    for i in range(n):
        word = "w%d" % (i * 7919 % 1009)
        seen[word] = seen.get(word, 0) + 1
    return len(seen)


def orbit(n):
    x, y, u, v = 1.0, 0.0, 0.0, 1.0
    for _ in range(n):
        r = (x * x + y * y) ** 1.5
        u -= 0.001 * x / r
        v -= 0.001 * y / r
        x += 0.001 * u
        y += 0.001 * v
    return round(x, 6), round(y, 6)


print(primes(12000), words(2500), orbit(1500))
