package dukcapil

import (
	"bytes"
	"encoding/json"
	"strings"
)

// members is a JSON object as it was written: its members in their order,
// repeated ones too.
type members struct {
	raw  []byte
	list []member
}

type member struct {
	name  string
	value json.RawMessage
}

func readMembers(raw []byte) (members, bool) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return members{}, false
	}
	out := members{raw: raw}
	for dec.More() {
		key, err := dec.Token()
		name, ok := key.(string)
		var value json.RawMessage
		if err != nil || !ok || dec.Decode(&value) != nil {
			return members{}, false
		}
		out.list = append(out.list, member{name, value})
	}
	return out, true
}

// without is the object less the members of that name, whatever their case;
// the very bytes when there are none.
func (m members) without(name string) []byte {
	var kept [][]byte
	for _, one := range m.list {
		if strings.EqualFold(strings.TrimSpace(one.name), name) {
			continue
		}
		key, _ := json.Marshal(one.name)
		kept = append(kept, append(append(key, ':'), one.value...))
	}
	if len(kept) == len(m.list) {
		return m.raw
	}
	return append(append([]byte("{"), bytes.Join(kept, []byte(","))...), '}')
}
