// Package mongodb is the database port on MongoDB, and on servers that speak its protocol.
//
// # Documents
//
// A document is stored flat:
//
//	{_id: "…", version: 7, writer: "…", state: "running", next_wakeup: 1767225600000, body: "{…}"}
//
// The index fields stand beside the rest, not in a sub-document, because some servers push only
// top-level keys down to their storage, and the names that the port allows cannot meet _id, version,
// writer or body. The body is a string with the JSON text as it came, not a BSON document: so it is the
// same bytes on every adapter, its keys may contain '.' and begin with '$', and its times are not cut to
// milliseconds nor its integers turned into floating point. It is still readable in a shell.
//
// # What is atomic, and lost replies
//
// Save replaces the document with {_id, version} in the filter: MongoDB does that atomically on every
// deployment, without sessions or transactions. writer is a random token, new with every Insert and
// Save. It tells a write of ours from one with equal content: when the connection breaks before the
// reply, the document is read once more, and the token says whether the write took effect, so that a
// Save that won is not reported as lost. The body could not tell: two callers that make the same change
// to the same version write the same bytes, and only one may win. Where the token does not settle it
// (the write may still be under way, or somebody wrote since) the error is Transient. On replica sets
// the driver repeats a write once under a transaction number that the server recognises, and a repeated
// write is answered as the first was; on other servers it does not repeat.
//
// # Durability
//
// Writes wait for a majority of the replica set and its journal; reads go to the primary and see what a
// majority has. A standalone server and servers that ignore concerns give what they have.
//
// FerretDB 1.x answers everything that this package asks, but its updates are not atomic: it is right
// only behind a proxy that lets one write through at a time. database.Check tells.
package mongodb
