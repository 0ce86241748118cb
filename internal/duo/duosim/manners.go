package duosim

import "math/rand/v2"

// Manners are what Duo may do differently from one account, release or day to
// the next: its documentation leaves all of it open. The zero value of each is
// what Duo most likely does, which differs from log to log. They are plain values,
// for a test to draw and print.
//
// Whatever the manners, nothing that is left unshown is denied without a doubt.
// A page that is shorter than asked for has an offset if more follow, and an
// empty one another than it was asked with. A total that is too low is lower than
// what its own page shows, or, on an empty page, higher than all that was shown
// before: one that by chance is the number of the records shown so far could not
// be told from a right one.
type Manners struct {
	// Seed decides when a OneIn happens: one time in so many, 0 is never.
	Seed uint64

	// PageSize is the most that a page holds; 0 is as many as were asked for.
	PageSize int
	// ShortOneIn makes a page shorter than it could be.
	ShortOneIn int
	// EmptyOneIn puts an empty page before one with records, never two.
	EmptyOneIn int

	// Cursor says which pages come with a next_offset, Offset what one looks like.
	// With an inclusive cursor a page begins with the last record of the one before.
	Cursor          Cursor
	Offset          Offset
	InclusiveCursor bool
	// RefusedOneIn refuses an offset. SameOneIn gives, with records, the very
	// offset that was asked with. With a position it takes two records: a page with
	// the record before it alone, listed twice or moved on, is what the end of an
	// inclusive cursor looks like.
	RefusedOneIn, SameOneIn int

	// Total is what total_objects says, TotalAs what it looks like.
	Total   Total
	TotalAs TotalAs
	// Metadata is where both stand.
	Metadata Place

	// ExclusiveMin and ExclusiveMax leave out the millisecond of the bound.
	ExclusiveMin, ExclusiveMax bool

	// Order is that of trust monitor, whose offsets are positions in it.
	// RefuseSort refuses a request for another one, which is ignored otherwise.
	Order      Order
	RefuseSort bool
}

// Cursor says which pages come with a next_offset.
type Cursor int

const (
	UsualCursor Cursor = iota // EveryPage; trust monitor's is AbsentAtEnd
	EveryPage                 // every page with records; null on an empty one
	NullAtEnd                 // null on the last page
	AbsentAtEnd               // no next_offset on the last page
	EvenEmpty                 // every page; an empty last one repeats the one that was asked with
	NotOnFull                 // no next_offset on a page as full as was asked for
	OnlyIfShort               // only on a page that is shorter than asked for and not the last
)

// Offset is the form of a next_offset.
type Offset int

const (
	UsualOffset  Offset = iota // TextOffset; authentication's is ListOffset
	TextOffset                 // "1666714065304,5bf1a860-fe39-49e3-be29-217659663a74"; trust monitor's "31229"
	ListOffset                 // the same in two strings; the usual one for trust monitor
	NumberOffset               // 31229; the usual one but for trust monitor
	OpaqueOffset               // a text that tells others nothing
)

// Total is what total_objects says.
type Total int

const (
	UsualTotal Total = iota // ExactTotal; trust monitor's is NoTotal
	ExactTotal
	AtLeast // a number that is reached, as {"relation":"gte"}
	TooFew
	TooMany
	NoTotal // it is missing
)

// TotalAs is the form of a total_objects, but for that of [AtLeast].
type TotalAs int

const (
	Number TotalAs = iota // 2300
	Text                  // "2300"
	Float                 // 2300.0
	Object                // {"relation":"eq","value":2300}
)

// Place is where an answer's metadata stands.
type Place int

const (
	InResponse Place = iota
	Beside           // beside the response, as Duo's general paging has it
	InBoth
)

// Order is the order of a log that cannot be asked for one.
type Order int

const (
	NewestFirst Order = iota
	OldestFirst
	ByID
)

// Random draws manners, each for itself, so that any may meet any other. About
// half of them are what Duo most likely does.
func Random(r *rand.Rand) Manners {
	m := Manners{
		Seed:       r.Uint64(),
		ShortOneIn: maybe(r, 4, 1+r.IntN(4)), EmptyOneIn: maybe(r, 4, 1+r.IntN(4)),
		Cursor: Cursor(r.IntN(int(OnlyIfShort) + 1)), Offset: Offset(r.IntN(int(OpaqueOffset) + 1)), InclusiveCursor: r.IntN(4) == 0,
		RefusedOneIn: maybe(r, 5, 2+r.IntN(8)), SameOneIn: maybe(r, 5, 2+r.IntN(8)),
		Total: Total(maybe(r, 2, r.IntN(int(NoTotal)+1))), TotalAs: TotalAs(r.IntN(int(Object) + 1)),
		Metadata:     Place(maybe(r, 2, r.IntN(int(InBoth)+1))),
		ExclusiveMin: r.IntN(4) == 0, ExclusiveMax: r.IntN(4) == 0,
		Order: Order(r.IntN(int(ByID) + 1)), RefuseSort: r.IntN(2) == 0,
	}
	if sizes := []int{400, 700, 1 + r.IntN(999), 1 + r.IntN(9)}; r.IntN(2) == 0 {
		m.PageSize = sizes[r.IntN(len(sizes))]
	}
	return m
}

// maybe is n one time in so many, else 0.
func maybe(r *rand.Rand, oneIn, n int) int {
	if r.IntN(oneIn) != 0 {
		return 0
	}
	return n
}
