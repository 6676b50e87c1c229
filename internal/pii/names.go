package pii

import (
	"cmp"
	"slices"
	"strings"

	"github.com/xrash/smetrics"
)

// NameMatch is how much alike two names are.
type NameMatch string

// What a comparison of names can come to.
const (
	// NameSame: the same words, once titles, degrees, customary abbreviations
	// and old spelling are set aside.
	NameSame NameMatch = "same"
	// NameClose: a word more or less, an initial, another spelling.
	NameClose NameMatch = "close"
	// NameDifferent: neither, or there is no name to compare.
	NameDifferent NameMatch = "different"
)

// NameComparison says how much alike two names are, and in a number: 1 for the
// same, 0 for nothing in common. It holds no personal data.
type NameComparison struct {
	Match NameMatch
	Score float64
}

const (
	// alike is the Jaro-Winkler similarity from which two words may be one
	// misspelt. Measured on words of Indonesian names: misspellings score 0.90
	// and more (Surja, Surya 0.907; Hidajat, Hidayat 0.943), most pairs of
	// different names less (Santoso, Susanto 0.829; Fauzi, Fauzan 0.893). Those
	// that differ in one letter (Putra, Putri 0.92) no measure can tell apart.
	alike = 0.90
	// closeScore is the score from which names are close: more than three
	// words in four. Brothers may share those three.
	closeScore = 0.78

	soundsAlike = 0.97 // another modern spelling of one sound: Rizky, Rizki
	abbreviated = 0.90 // an initial for a word
	nearlySame  = 0.99 // the most that names which are not the same can score

	// A word half the country bears tells less than one that few do.
	weakWeight = 0.5
)

// CompareNames compares two names as Indonesians write them, loosely: word
// order, case, accents, punctuation, titles and degrees don't count; known
// abbreviations (Moh., Abd., St.), old spelling (Soekarno, Djojo, Tjahja) and
// glued words (Nur Hayati, Nurhayati) are the same; a patronymic counts only
// when both names have one. It informs an analyst and must decide nothing: a
// child and its namesake compare the same, and a person with two spellings may
// compare different. Only the first 1,024 bytes and 24 words are looked at.
func CompareNames(a, b string) NameComparison {
	best := NameComparison{Match: NameDifferent}
	for _, x := range readName(a) {
		for _, y := range readName(b) {
			if c := compareReadings(x, y); c.Score > best.Score {
				best = c
			}
		}
	}
	return best
}

// compareReadings compares two names taken apart. Where only one of them has a
// patronymic it may be left out; where both have, it tells people apart.
func compareReadings(a, b reading) NameComparison {
	best := compareWords(a.all(), b.all())
	if (len(a.father) == 0) != (len(b.father) == 0) {
		if c := compareWords(a.given, b.given); c.Score > best.Score {
			best = c
		}
	}
	return best
}

// compareWords pairs the words of both names, best pairs first, and scores
// what was paired by its share of all words.
func compareWords(a, b []word) NameComparison {
	if len(a) == 0 || len(b) == 0 {
		return NameComparison{Match: NameDifferent}
	}
	if glue(a).is(glue(b)) {
		return NameComparison{Match: NameSame, Score: 1}
	}
	a, b = glueLike(a, b), glueLike(b, a)

	pairs := pairWords(a, b)
	same := len(pairs) == len(a) && len(pairs) == len(b)
	var paired, inBoth float64
	strong := false // is a word paired that tells people apart?
	for _, p := range pairs {
		x, y := a[p.a], b[p.b]
		same = same && p.similarity == 1
		paired += p.similarity * (x.weight() + y.weight())
		if x.weight() == 1 && y.weight() == 1 {
			strong = true
		}
	}
	if same {
		return NameComparison{Match: NameSame, Score: 1}
	}
	for _, w := range slices.Concat(a, b) {
		inBoth += w.weight()
	}
	c := NameComparison{Match: NameDifferent, Score: min(paired/inBoth, nearlySame)}
	// A name wholly within the other is a shortened one. Either way initials,
	// or a Muhammad or Siti, are not enough.
	shortened := len(pairs) == min(len(a), len(b))
	if strong && (shortened || c.Score >= closeScore) {
		c.Match = NameClose
	}
	return c
}

type pair struct {
	a, b       int
	similarity float64
}

// pairWords pairs each word with at most one of the other name, the most
// similar first. Words that are not alike stay alone.
func pairWords(a, b []word) []pair {
	var all []pair
	for i, x := range a {
		for j, y := range b {
			if s := compareWord(x, y); s > 0 {
				all = append(all, pair{a: i, b: j, similarity: s})
			}
		}
	}
	slices.SortStableFunc(all, func(p, q pair) int {
		return cmp.Compare(q.similarity, p.similarity)
	})
	usedA, usedB := make([]bool, len(a)), make([]bool, len(b))
	var chosen []pair
	for _, p := range all {
		if !usedA[p.a] && !usedB[p.b] {
			usedA[p.a], usedB[p.b] = true, true
			chosen = append(chosen, p)
		}
	}
	return chosen
}

// compareWord returns 1 for the same word, less for one like it, 0 for
// another.
func compareWord(a, b word) float64 {
	switch {
	case a.is(b):
		return 1
	case len(a.text) == 1 || len(b.text) == 1:
		if a.text[0] == b.text[0] {
			return abbreviated
		}
		return 0
	case a.sound() == b.sound():
		return soundsAlike
	}
	// 0.7 and 4 are Winkler's own: from which similarity, and for how many
	// letters, a common beginning counts for more.
	s := smetrics.JaroWinkler(a.text, b.text, 0.7, 4)
	if s < alike {
		return 0
	}
	return min(s, soundsAlike)
}

// glueLike joins neighbours in a that b writes as one word.
func glueLike(a, b []word) []word {
	var out []word
	for len(a) > 0 {
		n := len(a)
		for ; n > 1; n-- {
			glued := glue(a[:n])
			if slices.ContainsFunc(b, func(w word) bool { return w.is(glued) || w.sound() == glued.sound() }) {
				break
			}
		}
		out = append(out, glue(a[:n]))
		a = a[n:]
	}
	return out
}

// word is one word of a name in modern spelling, lower case.
type word struct {
	text string
	// old is the word with every j read as y, which is what it stood for
	// before 1972; empty unless the name shows other signs of old spelling.
	old string
}

// is reports whether both are the same word, in either reading of the j, or
// one an accepted abbreviation of the other.
func (w word) is(o word) bool {
	return w.text == o.text ||
		w.old != "" && w.old == o.text ||
		o.old != "" && o.old == w.text ||
		abbreviates(w.text, o.text) || abbreviates(o.text, w.text)
}

// glue writes words as one.
func glue(words []word) word {
	if len(words) == 1 {
		return words[0]
	}
	var text, old strings.Builder
	for _, w := range words {
		text.WriteString(w.text)
		old.WriteString(cmp.Or(w.old, w.text))
	}
	return word{text: text.String(), old: old.String()}
}

func (w word) weight() float64 {
	if len(w.text) == 1 || commonWords[w.text] {
		return weakWeight
	}
	return 1
}

// sound is the word with the spellings that today's names choose freely among
// made one.
func (w word) sound() string {
	s := soundSpellings.Replace(w.text)
	var b strings.Builder
	for i := range len(s) {
		if i == 0 || s[i] != s[i-1] { // Deddy, Dedy
			b.WriteByte(s[i])
		}
	}
	return strings.TrimSuffix(b.String(), "h") // Fatimah, Fatima
}
