package duosim

import (
	"iter"
	"math/rand/v2"
	"time"
)

// Generator makes records without end and without memory: which there are
// depends on the seed and their time alone, so any process that asks for a
// span of time at any moment sees the same ones.
type Generator struct {
	Seed    uint64
	PerHour int // records in every hour; 0 makes none
	// LateOneIn makes one record in so many, 0 none, appear LateBy after those of
	// its time, like an offline login when its computer is online again.
	LateOneIn int
	LateBy    time.Duration
	// From is where records begin; zero is the beginning of time.
	From time.Time
}

const (
	slotMillis = int64(time.Minute / time.Millisecond)
	// tieOneIn is how many records share the millisecond of another.
	tieOneIn = 16
)

// event is a generated record before it is written out: counting a day of
// them must not cost a day of strings.
type event struct {
	micros int64
	hi, lo uint64
}

// events returns the events of a minute, unordered.
func (g Generator) events(slot int64) iter.Seq[event] {
	return func(yield func(event) bool) {
		from, micros := g.From.UnixMicro(), int64(-1)
		if (slot+1)*slotMillis*1000 <= from {
			return
		}
		src := rand.NewPCG(g.Seed, uint64(slot))
		for range g.count(slot) {
			fraction := int64(src.Uint64() % uint64(slotMillis*1000))
			if micros < 0 || src.Uint64()%tieOneIn != 0 {
				micros = slot*slotMillis*1000 + fraction
			} else {
				micros += fraction%1000 - micros%1000
			}
			e := event{micros: micros, hi: src.Uint64(), lo: src.Uint64()}
			if e.micros >= from && !yield(e) {
				return
			}
		}
	}
}

// count spreads the hour's records over its minutes, to a sum of PerHour.
func (g Generator) count(slot int64) int {
	minute := int(slot % 60)
	return g.PerHour*(minute+1)/60 - g.PerHour*minute/60
}

// records returns the records of a minute that are shown at now, unordered.
func (g Generator) records(slot int64, now time.Time, id func(hi, lo uint64) string) []Record {
	var records []Record
	for e := range g.events(slot) {
		if g.shows(e, now.UnixMicro()) {
			records = append(records, Record{TS: time.UnixMicro(e.micros).UTC(), ID: id(e.hi, e.lo)})
		}
	}
	return records
}

// shows reports whether an event is shown at a time in microseconds.
func (g Generator) shows(e event, now int64) bool {
	hidden := Delay
	if g.LateOneIn > 0 && e.lo%uint64(g.LateOneIn) == 0 {
		hidden += g.LateBy
	}
	return e.micros+hidden.Microseconds() <= now
}
