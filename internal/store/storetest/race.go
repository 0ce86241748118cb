package storetest

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"duo-telephony-collector/internal/store"
)

func testGoroutines(t *testing.T, b Backend) {
	const contenders, handles, rounds = 20, 4, 4
	var stores []*store.Store
	for range handles {
		stores = append(stores, b.Open())
	}
	for round := range rounds {
		leases, errs := make([]*store.Lease, contenders), make([]error, contenders)
		var wg sync.WaitGroup
		for i := range contenders {
			wg.Go(func() {
				leases[i], _, errs[i] = stores[i%handles].Acquire(t.Context(), stream, claim(fmt.Sprintf("%d of round %d", i, round)))
			})
		}
		wg.Wait()
		winner := onlyWinner(t, leases, errs)
		if want := int64(round + 1); winner.Token != want {
			t.Errorf("round %d: token %d, want %d", round, winner.Token, want)
		}
		mustDo(t, stores[0].Finish(t.Context(), winner, pages(1), run(winner.Holder)))
	}
}

func onlyWinner(t *testing.T, leases []*store.Lease, errs []error) *store.Lease {
	t.Helper()
	var winners []*store.Lease
	for i, err := range errs {
		if err == nil {
			winners = append(winners, leases[i])
		} else if !errors.Is(err, store.ErrHeld) {
			t.Errorf("contender %d: got error %v, want ErrHeld", i, err)
		}
	}
	if len(winners) != 1 {
		t.Fatalf("%d of %d contenders have the lease, want one", len(winners), len(errs))
	}
	return winners[0]
}
