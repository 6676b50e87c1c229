package pii

import (
	"regexp"
	"strings"
)

// titles stand before a name: religious, academic, of address. Nobility
// (Raden, Andi, Tubagus) is not among them, as it is part of the legal name.
var titles = set(`
	h hj haji hajah hajjah kh kyai kiai ust ustad ustadz ustadzah
	prof dr drs dra drg drh ir apt ns bd
	bpk bapak ibu tn ny nn sdr sdri alm almh`)

// patronymics stand between a name and the father's; "b" only perhaps.
var patronymics = set(`bin binti binte bt bte ibn b`)

// commonWords are borne by so many that they hardly tell people apart,
// Balinese names for the order of birth among them.
var commonWords = set(`
	muhammad ahmad abdul siti sri nur raden
	ni ida wayan putu gede made kadek nengah nyoman komang ketut`)

// degrees stand after a name. The value says whether one without dots and
// comma is still a degree: Ma, Sag or St could be names.
var degrees = map[string]bool{
	"se": true, "sei": false, "sh": true, "shi": false, "shum": true, "shut": false,
	"sip": false, "sos": false, "ssos": true, "skom": true, "spd": true, "spdi": true,
	"spsi": true, "spsikolog": true, "spt": true, "sp": false, "st": false, "str": false,
	"sag": false, "ssi": true, "ssn": true, "ss": true, "skm": true, "sked": true,
	"skep": true, "sfarm": true, "sgz": true, "sds": true, "sth": false, "stp": true,
	"sak": false, "sab": false, "sap": false, "sars": true, "sst": true, "strkeb": true,
	"mm": true, "mh": true, "mt": true, "ma": false, "mag": false, "mak": false,
	"mba": true, "mkom": true, "mkes": true, "mkn": true, "mpd": true, "mpdi": true,
	"mpsi": true, "msi": true, "msc": true, "msn": true, "mhum": true, "mkeb": true,
	"mkep": true, "map": false, "meng": false, "mars": false, "mph": true, "llm": true,
	"amd": true, "amdkeb": true, "amdkep": true, "amk": true, "bsc": true, "ba": false,
	"lc": true, "phd": true, "ak": false, "ca": false, "cpa": true, "apt": false,
	"ns": false, "spa": false, "spog": true, "sppd": true, "spb": true, "spjp": true,
}

// muhammad is every full or short spelling of the name that stands for
// nothing else; m and md do, and are among the abbreviations.
var muhammad = regexp.MustCompile(`^(m[ou](h|ch|kh)am{1,2}[aeu][dt]|moh|muh|moch|much|mohd|muhd|mochd|mhd|mhmd)$`)

// variants are further spellings that are one name, by their usual one.
var variants = map[string]string{
	"achmad": "ahmad", "akhmad": "ahmad", "ahmed": "ahmad", "achmed": "ahmad",
	"ahmat": "ahmad", "achmat": "ahmad", "akhmat": "ahmad",
	"abd": "abdul", "abdl": "abdul", "abdur": "abdul", "abdus": "abdul",
	"sitti": "siti", "noor": "nur", "nor": "nur",
	"jusuf": "yusuf", "yusup": "yusuf", "jusup": "yusuf",
}

// abbreviations may stand for one of these names or for another.
var abbreviations = map[string][]string{
	"m": {"muhammad"}, "md": {"muhammad", "m", "made"}, "st": {"siti"},
	"r": {"raden"}, "rd": {"raden", "r"}, "tb": {"tubagus"}, "gst": {"gusti"},
	"wyn": {"wayan"}, "nym": {"nyoman"}, "kt": {"ketut"}, "kd": {"kadek"},
	"gd": {"gede"}, "pt": {"putu"}, "km": {"komang"},
}

// oldSigns are the spellings that only the orthography before 1972 (van
// Ophuijsen's, and Soewandi's of 1947) has. Its j, today's y, is not one of
// them: it looks like today's j, once dj.
var oldSigns = strings.NewReplacer("oe", "u", "dj", "j", "tj", "c", "sj", "sy")

// oldReading is oldSigns for a name that is old throughout.
var oldReading = strings.NewReplacer("oe", "u", "dj", "j", "tj", "c", "sj", "sy", "nj", "ny", "j", "y")

// soundSpellings are what names of today choose freely among: Syaiful,
// Saeful; Rizqy, Riski; Ramadhan, Ramadan; Novi, Nopi.
var soundSpellings = strings.NewReplacer(
	"chr", "kr", "ch", "h", "kh", "h", "sy", "s", "sh", "s", "ts", "s", "dz", "s", "dh", "d",
	"th", "t", "ph", "f", "gh", "g", "bh", "b", "ae", "ai", "ie", "i", "ee", "i", "oo", "u",
	"y", "i", "v", "f", "p", "f", "q", "k", "x", "ks", "z", "s")

func set(words string) map[string]bool {
	m := make(map[string]bool)
	for w := range strings.FieldsSeq(words) {
		m[w] = true
	}
	return m
}
