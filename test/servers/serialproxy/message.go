package serialproxy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// The layout of a message: MongoDB wire protocol, "Standard Message Header" and "OP_MSG".
const (
	headerBytes = 16
	// maxMessageBytes is maxMessageSizeBytes, which servers announce in their hello.
	maxMessageBytes = 48_000_000

	opQuery = 2004 // only ever the first hello of a connection
	opMsg   = 2013

	flagMoreToCome = 1 << 1 // in a request: no reply will come; in a reply: another one follows

	sectionBody     = 0 // one document: the command, whose first key is its name
	sectionSequence = 1 // documents that belong to the command
)

// ErrMessageLength is returned for a message whose length cannot be right; the stream cannot be followed any more.
var ErrMessageLength = errors.New("impossible message length")

// concurrent are the commands that change nothing, or nothing that another client can see. All others, also those
// not known here, run one at a time.
var concurrent = map[string]bool{
	"hello": true, "isMaster": true, "ismaster": true, "ping": true, "endSessions": true, "killCursors": true,
	"find": true, "getMore": true, "aggregate": true, "count": true, "distinct": true, "explain": true,
	"listCollections": true, "listIndexes": true, "listDatabases": true, "collStats": true, "dbStats": true,
	"buildInfo": true, "buildinfo": true, "serverStatus": true, "connectionStatus": true, "getParameter": true,
	"hostInfo": true, "whatsmyuri": true, "getLog": true, "currentOp": true,
	"saslStart": true, "saslContinue": true, "logout": true,
}

// message is a whole message with its header.
type message []byte

// readMessage reads one message. It returns io.EOF when r ends before one begins, and an error that wraps
// ErrMessageLength when its length is out of range.
func readMessage(r io.Reader) (message, error) {
	var header [headerBytes]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return nil, err
	}
	length := int32(binary.LittleEndian.Uint32(header[:]))
	if length < headerBytes || length > maxMessageBytes {
		return nil, fmt.Errorf("%w: %d bytes", ErrMessageLength, length)
	}
	m := make(message, length)
	copy(m, header[:])
	if _, err := io.ReadFull(r, m[headerBytes:]); err != nil {
		return nil, fmt.Errorf("read the rest of a message of %d bytes: %w", length, err)
	}
	return m, nil
}

func (m message) opcode() uint32 { return binary.LittleEndian.Uint32(m[12:]) }

func (m message) moreToCome() bool {
	return m.opcode() == opMsg && len(m) >= headerBytes+4 &&
		binary.LittleEndian.Uint32(m[headerBytes:])&flagMoreToCome != 0
}

// command returns the name of the command in an OP_MSG, and "" for every other or damaged message.
func (m message) command() string {
	if m.opcode() != opMsg || len(m) < headerBytes+4 {
		return ""
	}
	for rest := m[headerBytes+4:]; len(rest) > 5; {
		kind, size := rest[0], int(int32(binary.LittleEndian.Uint32(rest[1:])))
		switch {
		case kind == sectionBody:
			name, _, found := bytes.Cut(rest[6:], []byte{0}) // after the document's length and the element's type
			if !found {
				return ""
			}
			return string(name)
		case kind == sectionSequence && size >= 4 && size < len(rest):
			rest = rest[1+size:]
		default:
			return ""
		}
	}
	return ""
}

// alone reports whether the message must not run beside another one.
func (m message) alone() bool { return m.opcode() != opQuery && !concurrent[m.command()] }
