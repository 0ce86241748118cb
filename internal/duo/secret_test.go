package duo_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"duo-telephony-collector/internal/duo"
	"duo-telephony-collector/internal/duo/duosim"

	"github.com/google/go-cmp/cmp"
)

func TestSecret(t *testing.T) {
	unreadable := errors.New("unreadable")
	type answer struct {
		key string
		err error
	}
	old, good := answer{key: "old"}, answer{key: skey}
	tests := map[string]struct {
		answers []answer // one a call
		want    error
		status  []int // of two walks with one client
		refused bool
	}{
		"good":                 {answers: []answer{good}, status: []int{200, 200}},
		"rotated":              {answers: []answer{old, good}, status: []int{401, 200, 200}},
		"wrong":                {answers: []answer{old, old, old}, status: []int{401, 401}, refused: true},
		"rotated to a bad one": {answers: []answer{old, {key: "new"}, {key: "newer"}}, status: []int{401, 401, 401, 401}, refused: true},
		"unreadable":           {answers: []answer{{err: unreadable}, {err: unreadable}}, want: unreadable},
		"unreadable later":     {answers: []answer{old, {err: unreadable}, {err: unreadable}}, want: unreadable, status: []int{401, 401}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			calls := 0
			sim := newSim(duosim.Config{}, 1)
			client := serve(t, sim, duo.Config{Secret: func() (string, error) {
				calls++
				return tt.answers[calls-1].key, tt.answers[calls-1].err
			}})
			for range 2 {
				_, err := read(t.Context(), client.Session(telephony, 0), lastDay())
				failure, failed := errors.AsType[*duo.Error](err)
				if tt.want == nil && !tt.refused {
					if err != nil {
						t.Errorf("walking: %v", err)
					}
					continue
				}
				if !failed || failure.Temporary || failure.Hint == "" || !errors.Is(err, tt.want) && tt.want != nil {
					t.Errorf("%v; want a lasting error for %v", err, tt.want)
				}
			}
			if diff := cmp.Diff(tt.status, statuses(sim)); diff != "" || calls != len(tt.answers) {
				t.Errorf("%d secrets read, want %d; statuses (-want +got):\n%s", calls, len(tt.answers), diff)
			}
		})
	}
}

// A refused key whose form is unusual is told by its form, and by nothing of
// itself.
func TestSecretFault(t *testing.T) {
	utf16 := "\xff\xfe" + strings.Join(strings.Split(skey, ""), "\x00") + "\x00"
	for name, tt := range map[string]struct{ key, want string }{
		"good":             {skey, ""},
		"quotes":           {`"` + skey + `"`, "is in quotes"},
		"one quote":        {skey + "'", "is in quotes"},
		"typographic":      {"“" + skey + "”", "is in quotes"},
		"byte order mark":  {"\ufeff" + skey, "byte order mark"},
		"assignment":       {"DUO_SKEY=" + skey, "NAME=value"},
		"quoted value":     {`export DUO_SKEY="` + skey + `"`, "NAME=value"},
		"yaml":             {"skey: " + skey, "NAME=value"},
		"UTF-16":           {utf16, "UTF-16"},
		"UTF-16 unmarked":  {utf16[2:], "UTF-16"},
		"masked":           {strings.Repeat("*", 40), "masked"},
		"masked with dots": {"••••••••", "masked"},
		"blank before":     {" " + skey, "blanks"},
		"two lines":        {skey + "\n" + skey, "blanks"},
		"too short":        {skey[1:], "has 39 characters"},
		"twice":            {skey + skey, "has 80 characters"},
		"an ikey":          {ikey, "has 20 characters"},
	} {
		t.Run(name, func(t *testing.T) {
			sim := newSim(duosim.Config{}, 1)
			sim.Script(duosim.Refuse(40103, "Invalid signature in request credentials"))
			client := serve(t, sim, duo.Config{Secret: func() (string, error) { return tt.key, nil }})
			_, err := client.Probe(t.Context(), telephony)
			failure, _ := errors.AsType[*duo.Error](err)
			if failure == nil || failure.Status != http.StatusUnauthorized || !strings.HasPrefix(failure.Hint, "check DUO_IKEY, DUO_SKEY") {
				t.Fatalf("%v; want a 401 that names the keys", err)
			}
			_, said, _ := strings.Cut(failure.Hint, ": the secret key ")
			if !strings.Contains(said, tt.want) || tt.want == "" && said != "" {
				t.Errorf("the hint says %q, want %q", said, tt.want)
			}
			for i := range len(skey) - 4 {
				if strings.Contains(err.Error(), skey[i:i+4]) {
					t.Fatal("the error holds a part of the key")
				}
			}
		})
	}
}
