-- SPDX-License-Identifier: Apache-2.0
CREATE TABLE t(k INTEGER PRIMARY KEY, name TEXT, n INTEGER);
BEGIN;
WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 4000)
INSERT INTO t SELECT i, 'name' || (i * 7919 % 4001), i % 97 FROM c;
COMMIT;
CREATE INDEX by_name ON t(name);
SELECT count(*), sum(n) FROM t WHERE name LIKE 'name1%';
SELECT n, count(*) FROM t GROUP BY n ORDER BY 2 DESC LIMIT 5;
UPDATE t SET n = n + 1 WHERE k % 3 = 0;
DELETE FROM t WHERE k % 5 = 0;
SELECT a.k, b.k FROM t a JOIN t b ON b.name = 'name' || a.k WHERE a.k < 500;
