package pii

import (
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Bounds on the work that a name from outside can cause: comparing letters and
// pairing words both take quadratic time. The longest Indonesian names have
// about 80 letters and a dozen words.
const (
	maxNameBytes = 1024
	maxNameWords = 24
)

// reading is one way to take a name apart.
type reading struct {
	given  []word
	father []word // what follows bin or binti
}

func (r reading) all() []word { return slices.Concat(r.given, r.father) }

// readName takes a name apart. There are two readings when it has a "B." in
// the middle: an initial, or bin.
func readName(name string) []reading {
	tokens := dropTitles(dropDegrees(foldName(name)))
	// Somebody without a second name who had to fill one in repeats the first.
	tokens = slices.Compact(tokens)
	tokens = tokens[:min(len(tokens), maxNameWords)]
	old := slices.ContainsFunc(tokens, oldSpelt)

	plain := reading{given: readWords(tokens, old)}
	for i := 1; i < len(tokens)-1; i++ {
		if !patronymics[tokens[i]] {
			continue
		}
		withFather := reading{given: readWords(tokens[:i], old), father: readWords(tokens[i+1:], old)}
		if tokens[i] == "b" {
			return []reading{plain, withFather}
		}
		return []reading{withFather}
	}
	return []reading{plain}
}

// foldName leaves lower-case letters without accents, spaces, and the dots
// and commas that set off degrees.
func foldName(name string) string {
	var b strings.Builder
	for _, r := range norm.NFD.String(name[:min(len(name), maxNameBytes)]) {
		switch {
		case unicode.IsLetter(r):
			b.WriteRune(unicode.ToLower(r))
		case r == '.' || r == ',':
			b.WriteRune(r)
		case r == ';':
			b.WriteByte(',')
		case unicode.Is(unicode.Mn, r), strings.ContainsRune("'`´’‘ʼ", r):
			// An accent, or the hamza of Ma'ruf: part of its word.
		default:
			b.WriteByte(' ')
		}
	}
	return b.String()
}

// dropDegrees removes academic degrees and splits what is left into words:
// after a comma any degree, at the end of the name itself only one that is
// written with dots or can be nothing else.
func dropDegrees(name string) []string {
	head, rest, _ := strings.Cut(name, ",")

	fields := strings.Fields(head)
	for {
		n := degreeAtEnd(fields)
		if n == 0 {
			break
		}
		fields = fields[:len(fields)-n]
	}
	for segment := range strings.SplitSeq(rest, ",") {
		after := strings.Fields(segment)
		for len(after) > 0 {
			if n := degreeAtStart(after); n > 0 {
				after = after[n:]
				continue
			}
			fields = append(fields, after[0])
			after = after[1:]
		}
	}
	return strings.FieldsFunc(strings.Join(fields, " "), func(r rune) bool { return r == ' ' || r == '.' })
}

// maxDegreeFields is in how many pieces a degree comes: "S. Pd. I".
const maxDegreeFields = 3

func degreeAtEnd(fields []string) int {
	for n := min(maxDegreeFields, len(fields)-1); n > 0; n-- {
		written := strings.Join(fields[len(fields)-n:], "")
		clear, known := degrees[strings.ReplaceAll(written, ".", "")]
		dotted := strings.Contains(strings.TrimRight(written, "."), ".")
		if known && (clear || dotted) {
			return n
		}
	}
	return 0
}

func degreeAtStart(fields []string) int {
	for n := min(maxDegreeFields, len(fields)); n > 0; n-- {
		written := strings.ReplaceAll(strings.Join(fields[:n], ""), ".", "")
		if _, known := degrees[written]; known || titles[written] {
			return n
		}
	}
	return 0
}

// dropTitles removes the titles a name begins with, but never all of it.
func dropTitles(tokens []string) []string {
	for len(tokens) > 1 {
		switch {
		case titles[tokens[0]]:
			tokens = tokens[1:]
		case len(tokens) > 2 && tokens[0] == "k" && tokens[1] == "h": // K.H., kiai haji
			tokens = tokens[2:]
		default:
			return tokens
		}
	}
	return tokens
}

func readWords(tokens []string, old bool) []word {
	var out []word
	for _, t := range tokens {
		w := word{text: customary(modernSpelling(t))}
		if old && strings.Contains(t, "j") {
			w.old = customary(oldReading.Replace(t))
		}
		if rest, ok := servantOf(w.text); ok {
			out = append(out, word{text: "abdul"})
			w = word{text: rest}
		}
		out = append(out, w)
	}
	return out
}

// oldSpelt reports whether the word is certainly written as before the reform
// of 1972 (oe: 1947).
func oldSpelt(t string) bool {
	return strings.HasPrefix(t, "nj") || oldSigns.Replace(t) != t
}

// modernSpelling rewrites what can only be old spelling. A nj inside a word is
// left alone: Panji and Anjani are modern.
func modernSpelling(t string) string {
	if rest, ok := strings.CutPrefix(t, "nj"); ok {
		t = "ny" + rest
	}
	return oldSigns.Replace(t)
}

// customary returns the usual spelling of the names that everybody spells
// otherwise.
func customary(t string) string {
	if muhammad.MatchString(t) {
		return "muhammad"
	}
	if usual, ok := variants[t]; ok {
		return usual
	}
	return t
}

// servantOf takes apart what is written Abdul Rahman, Abdulrahman,
// Abdurrahman or Abdurahman, the article's l having become the consonant that
// follows. Abdullah stays whole.
func servantOf(t string) (rest string, ok bool) {
	rest, ok = strings.CutPrefix(t, "abdu")
	if !ok || len(rest) < 5 || strings.HasPrefix(rest, "llah") || strings.HasPrefix(rest, "lloh") {
		return "", false
	}
	if rest[0] == 'l' || rest[0] == rest[1] {
		rest = rest[1:]
	}
	return rest, true
}

// abbreviates reports whether short is an accepted abbreviation of long that
// may also stand for something else.
func abbreviates(short, long string) bool { return slices.Contains(abbreviations[short], long) }
