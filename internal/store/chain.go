package store

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/google/uuid"

	"github.com/gerbang-id/gerbang/internal/fsm"
)

// Event is one link of an onboarding's audit chain.
type Event struct {
	Onboarding uuid.UUID
	Seq        int64
	At         time.Time // microseconds, UTC
	Event      fsm.Event
	From, To   fsm.State
	Actor      string
	Payload    []byte // JSON evidence, no personal data
	Commitment []byte // stands for the personal part, if any
	Hash       []byte
}

// hash computes the event's link: SHA-256 over the previous hash and every
// field, each prefixed by its length as 8 bytes big-endian. Personal data
// enters only as its keyed commitment, so that its erasure leaves the chain
// verifiable.
func (e Event) hash(previous []byte) []byte {
	h := sha256.New()
	for _, field := range [][]byte{
		[]byte("gerbang/event/1"), previous, e.Onboarding[:],
		binary.BigEndian.AppendUint64(nil, uint64(e.Seq)),
		binary.BigEndian.AppendUint64(nil, uint64(e.At.UnixMicro())),
		[]byte(e.Event), []byte(e.From), []byte(e.To), []byte(e.Actor), e.Payload, e.Commitment,
	} {
		h.Write(lengthPrefix(len(field)))
		h.Write(field)
	}
	return h.Sum(nil)
}

func lengthPrefix(n int) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }

// VerifyChain returns the sequence number of the first event that does not
// follow from the one before it, or 0 when the chain holds from its beginning.
func VerifyChain(events []Event) int64 {
	var previous []byte
	for i, e := range events {
		if e.Seq != int64(i+1) || string(e.hash(previous)) != string(e.Hash) {
			return int64(i + 1)
		}
		previous = e.Hash
	}
	return 0
}
