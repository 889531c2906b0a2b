package faults

import "slices"

// Profile says how a seed deviates.
type Profile struct {
	// Hostile lets operations take part that break Linux's contract.
	Hostile bool
	// Only limits the operations; empty means all that Hostile allows.
	Only []Op
}

// Seed returns a source that decides by hashing the seed with the name of each
// point, so that a decision depends on nothing that happened elsewhere.
//
// It draws by swarm testing (Groce et al., ISSTA 2012): each seed switches about
// half of the operations off and gives each other one a rate of its own, rare or
// often. These draws are keyed apart from those of the run.
func Seed(seed uint64, profile Profile) Source {
	return newSeedSource(seed, profile, rates[:])
}

func newSeedSource(seed uint64, profile Profile, rates []uint32) *seedSource {
	s := &seedSource{seed: seed}
	for _, o := range Ops() {
		if o.Hostile() && !profile.Hostile || !contains(profile.Only, o) {
			continue
		}
		h := mix(seed ^ mix(uint64(o)+0x9e3779b97f4a7c15))
		if h&1 != 0 {
			s.rate[o] = rates[h>>1%uint64(len(rates))]
		}
	}
	return s
}

// rates are chances out of 1<<16. A run with everything slightly on finds less
// than runs that differ, so they are far apart.
var rates = [...]uint32{1 << 10, 1 << 12, 1 << 14, 1 << 15}

func contains(only []Op, o Op) bool {
	if len(only) == 0 {
		return true
	}
	for _, x := range only {
		if x == o {
			return true
		}
	}
	return false
}

type seedSource struct {
	seed uint64
	rate [opEnd]uint32
	alts []int
}

func (s *seedSource) Choose(p Point, n int) int {
	rate := s.rate[p.Op]
	if rate == 0 || n < 2 {
		return 0
	}
	h := s.hash(p)
	if uint32(h&0xffff) >= rate {
		return 0
	}
	h = mix(h)
	if h&1 == 0 && ops[p.Op].unit != unitTime { // half uniform, half of the telling values
		return 1 + int(h>>1%uint64(n-1))
	}
	s.alts = p.Op.Telling(s.alts[:0], n)
	return s.alts[h>>1%uint64(len(s.alts))]
}

func (s *seedSource) hash(p Point) uint64 {
	h := s.seed ^ 14695981039346656037
	for i := 0; i < len(p.Actor); i++ {
		h = (h ^ uint64(p.Actor[i])) * 1099511628211
	}
	return mix(h ^ uint64(p.Op)<<32 ^ uint64(p.Seq))
}

// mix is the finalizer of SplitMix64.
func mix(z uint64) uint64 {
	z += 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// Bytes returns a source that spends one byte of data per choice, for fuzzers:
// 0 is calm, others pick among [Op.Alternatives], and when data is used up
// everything is calm. Hostile operations stay calm.
func Bytes(data []byte) Source { return &bytesSource{data: data} }

type bytesSource struct {
	data []byte
	alts []int
}

func (s *bytesSource) Choose(p Point, n int) int {
	if len(s.data) == 0 {
		return 0
	}
	b := int(s.data[0])
	s.data = s.data[1:]
	if b == 0 || p.Op.Hostile() {
		return 0
	}
	s.alts = p.Op.Alternatives(s.alts[:0], n)
	if len(s.alts) == 0 {
		return 0
	}
	return s.alts[(b-1)%len(s.alts)]
}

// Input returns the data with which [Bytes] makes these choices, as far as their
// outcomes are among [Op.Alternatives].
func Input(choices []Choice) []byte {
	var data []byte
	var alts []int
	for _, c := range choices {
		b := 0
		if c.Outcome != 0 {
			alts = c.Point.Op.Alternatives(alts[:0], c.N)
			if i := slices.Index(alts, c.Outcome); i >= 0 && i < 255 {
				b = i + 1
			}
		}
		data = append(data, byte(b))
	}
	for len(data) > 0 && data[len(data)-1] == 0 {
		data = data[:len(data)-1]
	}
	return data
}
