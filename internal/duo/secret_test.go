package duo_test

import (
	"errors"
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
				_, err := read(t.Context(), client.Session(0), lastDay())
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
