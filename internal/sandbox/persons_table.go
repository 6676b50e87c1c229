package sandbox

// Persons are the test persons. All are invented, and so are their NIKs: they
// are well formed but of the regions 99xxxx, which do not exist. The one
// exception is the NIK of the vendor's own documented seed. Any other name
// passes everything, with a NIK derived from its externalRef ([DocumentOf]).
// docs/sandbox.md shows this table; a test compares the two.
var Persons = []Person{
	{
		Name: "Citra Uji Lancar", NIK: "9901015403910001", DateOfBirth: "1991-03-14",
		What: "Everything passes; Dukcapil confirms, with a photo",
	},
	{
		Name: "Ujiwati", NIK: "9902014211870002", DateOfBirth: "1987-11-02",
		What: "Everything passes; a one-word name",
	},
	{
		Name: "Hasan Uji Tinjau", NIK: "9903012105900003", DateOfBirth: "1990-05-21",
		What: "KTP requires review, each time",
		KTP:  []KTPOutcome{KTPReview},
	},
	{
		Name: "Rina Uji Ulang", NIK: "9904014908940004", DateOfBirth: "1994-08-09",
		What: "KTP requires review at the first capture, passes at the second",
		KTP:  []KTPOutcome{KTPReview, KTPPassed},
	},
	{
		Name: "Gilang Uji Palsu", NIK: "9905013001850005", DateOfBirth: "1985-01-30",
		What: "KTP fails: tampered; no face is enrolled",
		KTP:  []KTPOutcome{KTPFailed},
	},
	{
		Name: "Tono Uji Buram", NIK: "9906011112790006", DateOfBirth: "1979-12-11",
		What: "KTP passes with tier low; anti-spoof and tamper are unclear",
		KTP:  []KTPOutcome{KTPUnclear},
	},
	{
		Name: "Joko Uji Asing", NIK: "9907011707820007", DateOfBirth: "1982-07-17",
		What: "KTP verdict is a value no contract knows",
		KTP:  []KTPOutcome{KTPUnknown},
	},
	{
		Name: "Dewi Uji Pendek", NIK: "9908014502960008", DateOfBirth: "1996-02-05",
		What:    "KTP passes, the NIK read from it has 15 digits",
		Misread: MisreadNIKShort,
	},
	{
		Name: "Bagus Uji Selisih", NIK: "9909012309880009", DateOfBirth: "1988-09-23",
		What:    "KTP passes, its birth date is a day later than its NIK says",
		Misread: MisreadBirth,
	},
	{
		Name: "Muhammad Uji Ejaan", NIK: "9910011806920010", DateOfBirth: "1992-06-18",
		What:    "KTP passes, the name on it is spelt MOH.",
		Misread: MisreadSpelling,
	},
	{
		Name: "Sari Uji Kosong", NIK: "9911016704990011", DateOfBirth: "1999-04-27",
		What:    "KTP passes, no field could be read from it",
		Misread: MisreadNothing,
	},
	{
		Name: "Nina Uji Duakali", NIK: "9912014310930012", DateOfBirth: "1993-10-03",
		What:   "First selfie does not match, the second does",
		Selfie: []SelfieOutcome{SelfieNoMatch, SelfieMatch},
	},
	{
		Name: "Omar Uji Beda", NIK: "9913012903840013", DateOfBirth: "1984-03-29",
		What:   "No selfie matches",
		Selfie: []SelfieOutcome{SelfieNoMatch},
	},
	{
		Name: "Putri Uji Topeng", NIK: "9914014707970014", DateOfBirth: "1997-07-07",
		What:   "Liveness says spoof, each time",
		Selfie: []SelfieOutcome{SelfieSpoof},
	},
	{
		Name: "Rudi Uji Samar", NIK: "9915011205810015", DateOfBirth: "1981-05-12",
		What:   "Liveness is unclear at the first selfie, the second passes",
		Selfie: []SelfieOutcome{SelfieUnclear, SelfieMatch},
	},
	{
		Name: "Tari Uji Gelap", NIK: "9916016512900016", DateOfBirth: "1990-12-25",
		What:   "Liveness is unclear, each time",
		Selfie: []SelfieOutcome{SelfieUnclear},
	},
	{
		Name: "Wawan Uji Wajah", NIK: "9917011608860017", DateOfBirth: "1986-08-16",
		What:   "Selfie: allow is true, but the match verdict is a value no contract knows",
		Selfie: []SelfieOutcome{SelfieUnknown},
	},
	{
		Name: "Ayu Uji Nihil", NIK: "9918015901950018", DateOfBirth: "1995-01-19",
		What:     "Dukcapil: NIK not found (13)",
		Dukcapil: []DukcapilOutcome{"13"},
	},
	{
		Name: "Budi Uji Wafat", NIK: "9919012811600019", DateOfBirth: "1960-11-28",
		What:     "Dukcapil: person deceased (11)",
		Dukcapil: []DukcapilOutcome{"11"},
	},
	{
		Name: "Candra Uji Tanggal", NIK: "9920011402890020", DateOfBirth: "1989-02-14",
		What:     "Dukcapil: TGL_LHR does not match",
		Dukcapil: []DukcapilOutcome{DukcapilBirthWrong},
	},
	{
		Name: "Dian Uji Nomor", NIK: "9921017006980021", DateOfBirth: "1998-06-30",
		What:     "Dukcapil: NIK does not match",
		Dukcapil: []DukcapilOutcome{DukcapilNIKWrong},
	},
	{
		Name: "Eka Uji Nama", NIK: "9922014809830022", DateOfBirth: "1983-09-08",
		What:     "Dukcapil: NAMA_LGKP differs (59), the rest matches",
		Dukcapil: []DukcapilOutcome{DukcapilNameDiffers},
	},
	{
		Name: "Fitri Uji Ganda", NIK: "9923016208910023", DateOfBirth: "1991-08-22",
		What:     "Dukcapil: several records (12)",
		Dukcapil: []DukcapilOutcome{"12"},
	},
	{
		Name: "Gita Uji Kuota", NIK: "9924014505940024", DateOfBirth: "1994-05-05",
		What:     "Dukcapil: daily quota reached (05), each time",
		Dukcapil: []DukcapilOutcome{"05"},
	},
	{
		Name: "Hendra Uji Malam", NIK: "9925011010770025", DateOfBirth: "1977-10-10",
		What:     "Dukcapil: outside access hours (06), each time",
		Dukcapil: []DukcapilOutcome{"06"},
	},
	{
		Name: "Indah Uji Besok", NIK: "9926014303960026", DateOfBirth: "1996-03-03",
		What:     "Dukcapil: outside access hours (06) at the first lookup, valid at the second",
		Dukcapil: []DukcapilOutcome{"06", DukcapilValid},
	},
	{
		Name: "Jaya Uji Tanpafoto", NIK: "9927011912850027", DateOfBirth: "1985-12-19",
		What:     "Dukcapil confirms without a photo (FOTO is absent)",
		Dukcapil: []DukcapilOutcome{DukcapilNoPhoto},
	},
	{
		Name: "Kartika Uji Kode", NIK: "9928014404920028", DateOfBirth: "1992-04-04",
		What:     "Dukcapil: found (01) with a photo, no verdict per element",
		Dukcapil: []DukcapilOutcome{"01"},
	},
	{
		Name: "Lukman Uji Sandi", NIK: "9929010801880029", DateOfBirth: "1988-01-08",
		What:     "Dukcapil: a RESPONSE_CODE no contract knows (88)",
		Dukcapil: []DukcapilOutcome{"88"},
	},
	{
		Name: "Umar Patek", NIK: "9930012007700030", DateOfBirth: "1970-07-20",
		What: "AML: confirmed, sanctions (the vendor's own seed, by name)",
		AML:  AMLSanctions,
	},
	{
		Name: "Bambang Setiawan Hartono", NIK: "3171010101710001", DateOfBirth: "1971-01-01",
		What: "AML: review, PEP (the vendor's own seed: only with this NIK)",
		AML:  AMLPEP, HitNeedsNIK: true,
	},
	{
		Name: "Maya Uji Pejabat", NIK: "9932016102760032", DateOfBirth: "1976-02-21",
		What: "AML: review, PEP",
		AML:  AMLPEP,
	},
	{
		Name: "Ratna Uji Berita", NIK: "9933017110800033", DateOfBirth: "1980-10-31",
		What: "AML: review, adverse media",
		AML:  AMLMedia,
	},
	{
		Name: "Nanda Uji Sanksi", NIK: "9934010606730034", DateOfBirth: "1973-06-06",
		What: "AML: confirmed, sanctions",
		AML:  AMLSanctions,
	},
	{
		Name: "Oki Uji Saringan", NIK: "9935011304870035", DateOfBirth: "1987-04-13",
		What: "AML: a status no contract knows",
		AML:  AMLUnknown,
	},
	{
		Name: "Prima Uji Bendera", NIK: "9936012701930036", DateOfBirth: "1993-01-27",
		What:  "Anti-Fraud: flag",
		Fraud: FraudFlag,
	},
	{
		Name: "Qori Uji Curiga", NIK: "9937015509950037", DateOfBirth: "1995-09-15",
		What:  "Anti-Fraud: review",
		Fraud: FraudReview,
	},
	{
		Name: "Rian Uji Blokir", NIK: "9938010202900038", DateOfBirth: "1990-02-02",
		What:  "Anti-Fraud: block",
		Fraud: FraudBlock,
	},
	{
		Name: "Sinta Uji Skor", NIK: "9939015111890039", DateOfBirth: "1989-11-11",
		What:  "Anti-Fraud: a decision no contract knows",
		Fraud: FraudUnknown,
	},
	{
		Name: "Tegar Uji Lengkap", NIK: "9940010808780040", DateOfBirth: "1978-08-08",
		What: "Every review there is: KTP review, second selfie matches, Dukcapil 13, AML confirmed, fraud review",
		KTP:  []KTPOutcome{KTPReview}, Selfie: []SelfieOutcome{SelfieNoMatch, SelfieMatch},
		Dukcapil: []DukcapilOutcome{"13"}, AML: AMLSanctions, Fraud: FraudReview,
	},
}
