package dukcapil

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gerbang-id/gerbang/internal/pii"
	"github.com/gerbang-id/gerbang/internal/vendors"
)

// DefaultThreshold is the name similarity, 0..100, from which the registry
// says Sesuai, where the configuration names none. It decides nothing here.
const DefaultThreshold = "90"

// Config is the organisation's agreement (PKS) with the registry.
type Config struct {
	BaseURL    string // the part before /dukcapil/get_json
	CustomerID string
	UserID     pii.Secret
	Password   pii.Secret
	IPUser     string
	Threshold  string           // empty: DefaultThreshold
	Now        func() time.Time // nil: time.Now; for Answer.RetryAt
}

// Client asks the registry. Make it with New.
type Client struct {
	cfg    Config
	caller *vendors.Caller
}

// New returns a client that calls through caller, which it shares with others.
func New(cfg Config, caller *vendors.Caller) *Client {
	if cfg.Threshold == "" {
		cfg.Threshold = DefaultThreshold
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Client{cfg: cfg, caller: caller}
}

// Request is the person asked about. NIK, FullName and BirthDate are always
// sent, the others when not empty.
type Request struct {
	NIK        pii.Secret
	FullName   pii.Secret
	BirthDate  pii.Date
	BirthPlace pii.Secret
	Gender     pii.Gender
	Address    pii.Secret
	FamilyCard pii.Secret // NO_KK
	Province   pii.Secret
	Regency    pii.Secret
	District   pii.Secret
	Village    pii.Secret
	RT, RW     pii.Secret
}

// genders are the registry's words.
var genders = map[pii.Gender]string{pii.Male: "Laki-laki", pii.Female: "Perempuan"}

// body writes the registry's own member names; TRESHOLD is its spelling.
func (c *Client) body(r Request) *vendors.Body {
	return vendors.NewBody().
		Set("USER_ID", c.cfg.UserID.Reveal()).Set("PASSWORD", c.cfg.Password.Reveal()).
		Set("IP_USER", c.cfg.IPUser).Set("TRESHOLD", c.cfg.Threshold).
		Set("NIK", r.NIK.Reveal()).Set("NAMA_LGKP", r.FullName.Reveal()).Set("TGL_LHR", r.BirthDate.DayFirst()).
		SetSecret("TMPT_LHR", r.BirthPlace).SetIf("JENIS_KLMIN", genders[r.Gender]).SetSecret("ALAMAT", r.Address).
		SetSecret("NO_KK", r.FamilyCard).SetSecret("PROP_NAME", r.Province).SetSecret("KAB_NAME", r.Regency).
		SetSecret("KEC_NAME", r.District).SetSecret("KEL_NAME", r.Village).
		SetSecret("NO_RT", r.RT).SetSecret("NO_RW", r.RW)
}

// Verify asks once. The error is always a *vendors.Error: timeouts, connection
// errors, 5xx and HTML instead of JSON are transient and mean that the registry
// is unavailable, not that the person is unknown. The registry changes nothing
// when asked, so asking again is safe.
func (c *Client) Verify(ctx context.Context, r Request) (Answer, error) {
	call := vendors.Call{
		Product: "dukcapil", Name: "verify", Method: http.MethodPost,
		URL: strings.TrimRight(c.cfg.BaseURL, "/") + "/dukcapil/get_json/" +
			url.PathEscape(c.cfg.CustomerID) + "/CALL_VERIFY_BY_ELEMEN",
		Header: http.Header{},
		Body:   c.body(r),
	}
	if c.cfg.BaseURL == "" {
		return Answer{}, call.Refuse(vendors.ReasonNotConfigured)
	}
	a, err := c.caller.Do(ctx, call)
	if err != nil {
		return Answer{}, err
	}
	return read(a, c.cfg.Now())
}
