// Package sqlite is the database port on one SQLite file: the embedded database, durable without a
// server and in pure Go.
//
// A collection is a table with the columns id, version and body and one column for every index field,
// with real indexes on them. The body is the JSON text as it came, so that the sqlite3 shell's JSON
// functions work on it. Names of tables, columns and indexes have prefixes: what the port allows cannot
// meet SQLite's own names or keywords.
//
// The file is in WAL mode with synchronous=FULL: a write that returned survives the loss of power. One
// connection writes, since SQLite has one writer anyway and waiting in a queue is fairer than polling for
// its lock; others read beside it and never wait. Several processes may open one file on a local disk,
// and wait for each other up to the busy timeout; network file systems do not keep the locks apart.
package sqlite
