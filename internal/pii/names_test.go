package pii

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// nameCases are invented people, named as people are.
var nameCases = []struct {
	why, a, b string
	want      NameMatch
}{
	// The same words.
	{"identical", "Budi Santoso", "Budi Santoso", NameSame},
	{"case", "BUDI SANTOSO", "Budi santoso", NameSame},
	{"whitespace", "  Budi\t Santoso ", "Budi Santoso", NameSame},
	{"punctuation", "Budi. Santoso-", "Budi Santoso", NameSame},
	{"accents", "Réné Wulandari", "Rene Wulandari", NameSame},
	{"hamza", "Amin Ma'ruf", "Amin Ma’ruf", NameSame},
	{"hamza left out", "Nur'aini Lubis", "Nuraini Lubis", NameSame},
	{"word order", "Lestari Dewi", "Dewi Lestari", NameSame},
	{"family name first, comma", "Siregar, Maruli", "Maruli Siregar", NameSame},
	{"hyphen", "Putri-Ayu Wulandari", "Putri Ayu Wulandari", NameSame},

	// One name only.
	{"mononym", "Suharti", "SUHARTI", NameSame},
	{"mononym repeated to fill a form", "Suharti Suharti", "Suharti", NameSame},
	{"mononym and a dash", "Suharti -", "Suharti", NameSame},
	{"mononym in old spelling", "Soeharti", "Suharti", NameSame},
	{"mononym and more", "Suharti", "Suharti Ningsih", NameClose},
	{"mononyms that differ", "Suharti", "Sumarni", NameDifferent},
	{"mononym within another's name", "Wati", "Kurniawati Dewi", NameDifferent},

	// Muhammad, Ahmad, Abdul and other names everybody spells otherwise.
	{"Mohammad", "Mohammad Rizki", "Muhammad Rizki", NameSame},
	{"Mohamad", "Mohamad Rizki", "Muhammad Rizki", NameSame},
	{"Mochammad", "Mochammad Rizki", "Muhamad Rizki", NameSame},
	{"Moh.", "Moh. Rizki", "Muhammad Rizki", NameSame},
	{"Muh.", "Muh. Rizki", "Muhammad Rizki", NameSame},
	{"Mhd", "Mhd Rizki", "Muhammad Rizki", NameSame},
	{"Md.", "Md. Rizki", "Muhammad Rizki", NameSame},
	{"Moch. without space", "Moch.Rizki", "Muhammad Rizki", NameSame},
	{"M.", "M. Rizki", "Muhammad Rizki", NameSame},
	{"M without dot", "M Rizki Pratama", "Mohamad Rizki Pratama", NameSame},
	{"M. and Moh.", "M. Rizki", "Moh. Rizki", NameSame},
	{"M. is not only Muhammad", "M. Rizki", "Maria Rizki", NameClose},
	{"Muhammad left out", "Muhammad Rizki Pratama", "Rizki Pratama", NameClose},
	{"only Muhammad in common", "Muhammad Rizki", "Muhammad Hidayat", NameDifferent},
	{"Muhammad Rizal is another", "Muhammad Rizki", "Muhammad Rizal", NameDifferent},
	{"Achmad", "Achmad Fauzi", "Ahmad Fauzi", NameSame},
	{"Akhmad", "Akhmad Fauzi", "Achmad Fauzi", NameSame},
	{"Abd.", "Abd. Hakim", "Abdul Hakim", NameSame},
	{"Abdurrahman glued", "Abdurrahman Harahap", "Abdul Rahman Harahap", NameSame},
	{"Abd.Rahman", "Abd.Rahman Harahap", "Abdurahman Harahap", NameSame},
	{"Abdullah is no Abdul", "Abdullah Harahap", "Abdul Hakim Harahap", NameClose},
	{"St.", "St. Aminah", "Siti Aminah", NameSame},
	{"Balinese Md.", "Ni Md. Sukerti", "Ni Made Sukerti", NameSame},
	{"Jusuf", "Jusuf Lubis", "Yusuf Lubis", NameSame},

	// Old spelling.
	{"oe", "Soekarman", "Sukarman", NameSame},
	{"dj", "Djoko Soesilo", "Joko Susilo", NameSame},
	{"oe beside a modern j", "Joko Soesilo", "Joko Susilo", NameSame},
	{"tj", "Tjahjo Wibowo", "Cahyo Wibowo", NameSame},
	{"sj", "Sjahrul Effendi", "Syahrul Effendi", NameSame},
	{"nj", "Njoman Soedarma", "Nyoman Sudarma", NameSame},
	{"nj shows the name is old", "Njoman Surja", "Nyoman Surya", NameSame},
	{"old j is y", "Soerja Widjaja", "Surya Wijaya", NameSame},
	{"modern j stays", "Jaya Panji", "Yaya Panyi", NameDifferent},
	{"j for y without other signs", "Surja Wijaya", "Surya Wijaya", NameClose},

	// Titles and degrees.
	{"H.", "H. Budi Santoso", "Budi Santoso", NameSame},
	{"Hj.", "Hj.Siti Aminah", "Siti Aminah", NameSame},
	{"Haji", "Haji Budi Santoso", "H. Budi Santoso", NameSame},
	{"several titles", "Prof. Dr. Ir. H. Budi Santoso, M.Sc., Ph.D.", "Budi Santoso", NameSame},
	{"K.H.", "K.H. Ahmad Fauzi", "Ahmad Fauzi", NameSame},
	{"Drs.", "Drs. Budi Santoso", "BUDI SANTOSO", NameSame},
	{"S.E., M.M.", "Budi Santoso, S.E., M.M.", "Budi Santoso", NameSame},
	{"SE without comma", "Budi Santoso SE", "Budi Santoso", NameSame},
	{"S.H. without comma", "Dewi Lestari S.H.", "Dewi Lestari", NameSame},
	{"S. Kom in two pieces", "Dewi Lestari, S. Kom", "Dewi Lestari", NameSame},
	{"S. Pd. I in three", "Dewi Lestari, S. Pd. I.", "Dewi Lestari", NameSame},
	{"a title alone is a name", "Haji", "Haji", NameSame},
	{"Ma is a name", "Ma Wulandari", "Wulandari", NameClose},
	{"titles don't make people alike", "Dr. H. Budi Santoso, S.E.", "Dr. H. Agus Hartono, S.E.", NameDifferent},

	// Patronymics.
	{"bin left out", "Ahmad Fauzi bin Abdullah", "Ahmad Fauzi Abdullah", NameSame},
	{"patronymic left out", "Ahmad Fauzi bin Abdullah", "Ahmad Fauzi", NameSame},
	{"binti", "Siti Aminah binti Hasan", "Siti Aminah bt. Hasan", NameSame},
	{"b. for bin", "Ahmad Fauzi b. Hasan", "Ahmad Fauzi bin Hasan", NameSame},
	{"B. for a name", "Agus B. Santoso", "Agus Bambang Santoso", NameClose},
	{"B. for a name, and another's", "Agus B. Santoso", "Agus Bambang Hartono", NameDifferent},
	{"fathers differ", "Ahmad bin Ali", "Ahmad bin Umar", NameDifferent},
	{"one father's children", "Hasan bin Abdullah", "Fatimah binti Abdullah", NameDifferent},

	// Glued and split words, initials, words left out.
	{"Nur Hayati", "Nur Hayati", "Nurhayati", NameSame},
	{"glued within", "Sri Wahyu Ningsih Utami", "Sriwahyuningsih Utami", NameSame},
	{"glued otherwise", "Sriwahyu Ningsih", "Sri Wahyuningsih", NameSame},
	{"glued beside a word left out", "Nur Hayati Sari Lubis", "Nurhayati Lubis", NameClose},
	{"initial at the end", "Budi S.", "Budi Santoso", NameClose},
	{"initial in front", "A. Fauzi Rahmat", "Ahmad Fauzi Rahmat", NameClose},
	{"initial in between", "Budi S. Hartono", "Budi Setiawan Hartono", NameClose},
	{"initials only", "B. S.", "Budi Santoso", NameDifferent},
	{"another initial", "T. Santoso", "Budi Hartono", NameDifferent},
	{"middle name left out", "Dewi Ayu Lestari", "Dewi Lestari", NameClose},
	{"last name left out", "Maruli Tua Siregar", "Maruli Tua", NameClose},

	// Spelt otherwise, or wrongly.
	{"y for i", "Rizky Pratama", "Rizki Pratama", NameClose},
	{"sy, s, ae", "Syaiful Anwar", "Saeful Anwar", NameClose},
	{"q for k", "Taufiq Hidayat", "Taufik Hidayat", NameClose},
	{"dh for d", "Ramadhan Putra", "Ramadan Putra", NameClose},
	{"ch for h", "Rachmat Hidayat", "Rahmat Hidayat", NameClose},
	{"p for f", "Arip Nugraha", "Arif Nugraha", NameClose},
	{"h at the end", "Indra Kusumah", "Indra Kusuma", NameClose},
	{"OCR took a letter", "BUDI SANTOS0", "Budi Santoso", NameClose},
	{"two letters exchanged", "Wulandari Puspa", "Wualndari Puspa", NameClose},

	// Other people.
	{"first name in common", "Budi Santoso", "Budi Hartono", NameDifferent},
	{"last name in common", "Maruli Siregar", "Tiurma Siregar", NameDifferent},
	{"Susanto", "Budi Santoso", "Budi Susanto", NameDifferent},
	{"Kurniawan", "Agus Setiawan", "Agus Kurniawan", NameDifferent},
	{"Siti", "Siti Aminah", "Siti Rahayu", NameDifferent},
	{"two of three", "Agus Setiawan Hadi", "Agus Setiawan Nugroho", NameDifferent},
	{"Balinese birth order", "I Made Suardana", "I Made Wirawan", NameDifferent},
	{"three of four", "Andi Bagus Cahya Nugraha", "Andi Bagus Cahya Wirawan", NameDifferent},
	{"Nurhaliza", "Dewi Nurhaliza", "Dewi Nurhayati", NameDifferent},
	{"brother and sister", "Wahyu Saputra", "Wahyu Saputri", NameClose},
	{"Dewi and Dwi", "Dewi Lestari", "Dwi Lestari", NameClose},
	{"nothing in common", "Budi Santoso", "Yohana Tampubolon", NameDifferent},

	// No name.
	{"empty", "", "Budi Santoso", NameDifferent},
	{"both empty", "", "", NameDifferent},
	{"signs only", "., -", "Budi", NameDifferent},
	{"another script", "陳大文", "陳大文", NameSame},
}

func TestCompareNames(t *testing.T) {
	t.Parallel()
	for _, c := range nameCases {
		t.Run(c.why, func(t *testing.T) {
			t.Parallel()
			for _, pair := range [][2]string{{c.a, c.b}, {c.b, c.a}} {
				got := CompareNames(pair[0], pair[1])
				if got.Match != c.want {
					t.Errorf("CompareNames(%q, %q) = %s (%.2f), want %s", pair[0], pair[1], got.Match, got.Score, c.want)
				}
				if (got.Match == NameSame) != (got.Score == 1) || got.Score < 0 || got.Score > 1 {
					t.Errorf("CompareNames(%q, %q): score %v does not go with %s", pair[0], pair[1], got.Score, got.Match)
				}
			}
		})
	}
}

// Jaro-Winkler and the pairing of words take quadratic time, so what a vendor
// or a customer calls a name must be cut.
func TestCompareNamesIsBounded(t *testing.T) {
	t.Parallel()
	huge := map[string]string{
		"one word":     strings.Repeat("budi", 1<<20),
		"many words":   strings.Repeat("budi santoso ", 1<<18),
		"many letters": strings.Repeat("b s ", 1<<20),
		"many marks":   "b" + strings.Repeat("\u0301", 1<<20),
		"many degrees": "Budi," + strings.Repeat(" s.e.", 1<<18),
		"many titles":  strings.Repeat("h. ", 1<<18) + "budi",
	}
	for name, s := range huge {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			CompareNames(s, s+"x")
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}

func FuzzCompareNames(f *testing.F) {
	for _, c := range nameCases {
		f.Add(c.a, c.b)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		got := CompareNames(a, b)
		if got.Score < 0 || got.Score > 1 || (got.Match == NameSame) != (got.Score == 1) {
			t.Errorf("CompareNames(%q, %q) = %+v", a, b, got)
		}
		if back := CompareNames(b, a); back.Match != got.Match && (back.Match == NameSame || got.Match == NameSame) {
			t.Errorf("CompareNames(%q, %q) = %+v, the other way round %+v", a, b, got, back)
		}
	})
}

func ExampleCompareNames() {
	fmt.Println(CompareNames("H. Moh. Soerjadi, S.E.", "Muhammad Suryadi").Match)
	// Output: same
}
