package sandbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/xrash/smetrics"
)

// elements is the body of CALL_VERIFY_BY_ELEMEN, spelt as the service spells it.
type elements struct {
	UserID    string `json:"USER_ID"`
	Password  string `json:"PASSWORD"`
	IPUser    string `json:"IP_USER"`
	Threshold string `json:"TRESHOLD"`
	NIK       string `json:"NIK"`
	Name      string `json:"NAMA_LGKP"`
	Birth     string `json:"TGL_LHR"`
	Place     string `json:"TMPT_LHR"`
	Gender    string `json:"JENIS_KLMIN"`
	Address   string `json:"ALAMAT"`
	Family    string `json:"NO_KK"`
	Province  string `json:"PROP_NAME"`
	Regency   string `json:"KAB_NAME"`
	District  string `json:"KEC_NAME"`
	Village   string `json:"KEL_NAME"`
	RT        string `json:"NO_RT"`
	RW        string `json:"NO_RW"`
}

var responses = map[string]string{
	"01": "Data Ditemukan", "03": "Login gagal", "04": "IP tidak diizinkan", "05": "Kuota harian habis",
	"06": "Di luar jam akses", "07": "Parameter tidak lengkap", "08": "NIK tidak dapat diproses",
	"09": "User atau password kosong", "10": "IP tidak valid", "11": "Penduduk meninggal dunia",
	"12": "Data ganda", "13": "Data tidak ditemukan", "14": "Data tidak aktif",
	"15": "Data tidak ditemukan, NIK tidak sesuai format", "16": "Lembaga tidak aktif", "17": "User tidak aktif",
}

// verifyElements plays the civil registry. It answers 200 to nearly everything
// and says in the body what is wrong.
func (s *Sandbox) verifyElements(q *request) (reply, *refusal) {
	if down := q.set.dukcapil; !down.Up {
		if down.Code != "" {
			return dukcapilCode(down.Code), nil
		}
		return htmlReply(http.StatusServiceUnavailable), nil
	}
	var in elements
	dec := json.NewDecoder(bytes.NewReader(q.body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&in); err != nil {
		q.violate("Dukcapil body is not the elements' strings")
		return dukcapilCode("07"), nil
	}
	if code, rule := s.refuseLookup(q, in); code != "" {
		if rule != "" {
			q.violate(rule)
		}
		return dukcapilCode(code), nil
	}
	return s.lookup(in), nil
}

// refuseLookup checks credentials and form, in the order of a login.
func (s *Sandbox) refuseLookup(q *request, in elements) (code, violation string) {
	own := s.opt.Dukcapil
	switch {
	case q.PathValue("customerId") != own.CustomerID:
		return "16", ""
	case in.UserID == "" || in.Password == "":
		return "09", "empty Dukcapil credentials"
	case in.UserID != own.UserID || in.Password != own.Password:
		return "03", ""
	case net.ParseIP(in.IPUser) == nil:
		return "10", "IP_USER is no address"
	case in.IPUser != own.IPUser:
		return "04", ""
	case in.NIK == "" || in.Name == "" || in.Birth == "" || in.Threshold == "":
		return "07", "missing NIK, NAMA_LGKP, TGL_LHR or TRESHOLD"
	case in.Gender != "" && in.Gender != "Laki-laki" && in.Gender != "Perempuan":
		return "07", "JENIS_KLMIN is neither Laki-laki nor Perempuan"
	}
	if n, err := strconv.Atoi(in.Threshold); err != nil || n < 0 || n > 100 {
		return "07", "TRESHOLD is not 0 to 100"
	}
	if _, err := time.Parse("02-01-2006", in.Birth); err != nil {
		return "07", "TGL_LHR is not dd-mm-yyyy"
	}
	if !nikWellFormed(in.NIK) {
		return "15", ""
	}
	return "", ""
}

// lookup answers for the person the NIK belongs to: whoever showed it on a
// KTP, else a test person, else nobody in particular, of whom only the NIK's
// own birth date is known.
func (s *Sandbox) lookup(in elements) reply {
	var who *Person
	name, birth, attempt := in.Name, "", 0
	s.state.mu.Lock()
	if seen := s.state.sightings[in.NIK]; seen != nil {
		who, name, birth, attempt = seen.customer.who, seen.customer.fullName, seen.document.DateOfBirth, seen.lookups
		seen.lookups++
	} else if who = personByNIK[in.NIK]; who != nil {
		name, birth = who.Name, who.DateOfBirth
	}
	s.state.mu.Unlock()
	if who == nil {
		who = personByNIK[in.NIK] // a test person's NIK on somebody else's card
	}

	verdict := object{"NIK": "Sesuai", "TGL_LHR": sesuai(birthAgrees(in, birth))}
	verdict["NAMA_LGKP"] = similar(in.Name, name, in.Threshold)
	for element, sent := range map[string]string{
		"ALAMAT": in.Address, "NO_KK": in.Family, "PROP_NAME": in.Province, "KAB_NAME": in.Regency,
		"KEC_NAME": in.District, "KEL_NAME": in.Village, "NO_RT": in.RT, "NO_RW": in.RW, "TMPT_LHR": in.Place,
	} {
		if sent != "" {
			verdict[element] = "Sesuai"
		}
	}
	if in.Gender != "" {
		verdict["JENIS_KLMIN"] = sesuai((in.NIK[6] >= '4') == (in.Gender == "Perempuan"))
	}
	verdict["FOTO"] = pixel

	switch outcome := who.dukcapil(attempt); outcome {
	case DukcapilValid:
	case DukcapilNoPhoto:
		delete(verdict, "FOTO")
	case DukcapilNameDiffers:
		verdict["NAMA_LGKP"] = "Tidak Sesuai (59)"
	case DukcapilBirthWrong:
		verdict["TGL_LHR"] = "Tidak Sesuai"
		delete(verdict, "FOTO")
	case DukcapilNIKWrong:
		verdict["NIK"] = "Tidak Sesuai"
		delete(verdict, "FOTO")
	case "01":
		verdict = dukcapilError("01")
		verdict["FOTO"] = pixel
	default:
		verdict = dukcapilError(string(outcome))
	}
	return dukcapilContent(verdict)
}

// birthAgrees compares TGL_LHR with the registered date, or with the NIK's
// digits when none is registered.
func birthAgrees(in elements, registered string) bool {
	birth, err := time.Parse("02-01-2006", in.Birth)
	if err != nil {
		return false
	}
	if registered == "" {
		return birth.Format("020106") == birthDigits(in.NIK)
	}
	return birth.Format(time.DateOnly) == registered
}

func similar(sent, registered, threshold string) string {
	score := 100
	if a, b := strings.ToUpper(sent), strings.ToUpper(registered); a != b {
		score = int(math.Floor(100 * smetrics.JaroWinkler(a, b, 0.7, 4)))
	}
	least, err := strconv.Atoi(threshold)
	return fmt.Sprintf("%s (%d)", sesuai(err == nil && score >= least), score)
}

func sesuai(yes bool) string {
	if yes {
		return "Sesuai"
	}
	return "Tidak Sesuai"
}

func dukcapilError(code string) object {
	text, ok := responses[code]
	if !ok {
		text = "Kesalahan lain"
	}
	return object{"RESPONSE_CODE": code, "RESPONSE_DESC": text, "RESPONSE": text}
}

func dukcapilCode(code string) reply { return dukcapilContent(dukcapilError(code)) }

func dukcapilContent(content object) reply {
	return jsonReply(http.StatusOK, object{
		"content": []object{content}, "lastPage": true, "numberOfElements": 1, "totalElements": 1,
		"firstPage": true, "number": 0, "size": 10, "quotaLimiter": 100,
	})
}
