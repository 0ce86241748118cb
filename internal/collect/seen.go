package collect

import (
	"maps"

	"duo-telephony-collector/internal/store"
)

// seenSet is the identities of the cursor's Seen, each with the number of the page
// that was the first of its walk to show it. It is kept from page to page: made
// anew for each, every page would pay for the whole overlap.
type seenSet map[store.ID]int

// newSeenSet returns the set of seen, with room for a page.
func newSeenSet(seen store.Seen, page int) seenSet {
	set := make(seenSet, seen.Len()+page)
	for _, p := range seen {
		for _, id := range p.IDs {
			set[id] = 0
		}
	}
	return set
}

// renewed returns the same set in memory of the size it needs. A Go map from which
// as much is deleted as is added doubles: it had 3.5 MB for 40,000 identities after
// 250 pages, and 1.7 MB when they were all it had ever held.
func (s seenSet) renewed(page int) seenSet {
	set := make(seenSet, len(s)+page)
	maps.Copy(set, s)
	return set
}

// follow removes what the next Seen lacks of the last one, and returns how many
// identities that is. What it has more was added when it was chosen or adopted.
func (s seenSet) follow(last, next store.Seen) (removed int) {
	gone := last.Without(next)
	if len(gone) == 0 {
		return 0
	}
	stay := map[store.ID]bool{}
	if end := len(last) - 1; gone[len(gone)-1].Number == last[end].Number { // it may go on in a new part
		for _, p := range next.Without(last) {
			for _, id := range p.IDs {
				stay[id] = true
			}
		}
	}
	for _, p := range gone {
		for _, id := range p.IDs {
			if !stay[id] {
				delete(s, id)
				removed++
			}
		}
	}
	return removed
}
