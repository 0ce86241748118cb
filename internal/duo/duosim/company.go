package duosim

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
)

// An invented company. Nothing of it is anybody's: the domain is example.org,
// the networks are those of RFC 5737 and the numbers end in 555-0100 to 555-0199.

// akey is the account's.
const akey = "DAS1D2F3G4H5J6K7L8Z9"

// object is a JSON object. Its members go out sorted by name, as Duo's do.
type object map[string]any

// absent is the value of a member that [object.present] leaves out.
type absent struct{}

func (o object) present() object {
	maps.DeleteFunc(o, func(_ string, value any) bool { return value == absent{} })
	return o
}

// named is anything that Duo knows by a key.
type named struct {
	Key  string `json:"key"`
	Name string `json:"name"`
}

type person struct {
	named
	email string
	phone string
	home  location
}

type location struct {
	City    any `json:"city"`
	Country any `json:"country"`
	State   any `json:"state"`
}

var (
	locations = []location{
		{"Lyon", "France", "Auvergne-Rhône-Alpes"}, {"Ghent", "Belgium", "East Flanders"}, {"Ann Arbor", "United States", "Michigan"},
		{"Austin", "United States", "Texas"}, {"Zürich", "Switzerland", "Zurich"}, {"Sapporo", "Japan", "Hokkaido"},
		{"Singapore", "Singapore", ""}, {"São Paulo", "Brazil", "São Paulo"},
	}
	applications = described("DI", "Corp VPN", "Windows Logon", "Microsoft Entra ID", "Payroll", "Wiki", "SSH bastion", "Web mail", "Source control")
	staff        = people("Marie Leroy", "Jan Peeters", "Ana Souza", "Kenji Mori", "Emma Keller", "Noah Brooks", "Priya Nair", "Tom Walsh",
		"Lena Vogt", "Omar Haddad", "Julia Costa", "Wei Tan", "Sara Lind", "Paul Martin", "Nina Kovac", "Luis Ortega",
		"Grace Hill", "Ivan Petrov", "Mia Janssen", "David Cohen", "Aiko Sato", "Felix Braun", "Clara Rossi", "Sam Ellis")
	groups = memberships()
)

// described gives everything a key of its own.
func described(prefix string, names ...string) []named {
	var all []named
	for i, name := range names {
		all = append(all, named{key(prefix, rand.New(rand.NewPCG(uint64(i), 0))), name})
	}
	return all
}

func people(names ...string) []person {
	var all []person
	for i, name := range names {
		first, last, _ := strings.Cut(strings.ToLower(name), " ")
		random := rand.New(rand.NewPCG(uint64(i), 1))
		all = append(all, person{
			named: named{key("DU", random), first[:1] + last},
			email: first[:1] + "." + last + "@example.org",
			phone: phone(random),
			home:  locations[i%len(locations)],
		})
	}
	return all
}

// memberships are the groups of a directory.
func memberships() []string {
	var all []string
	for _, department := range []string{"engineering", "finance", "sales", "support", "people", "legal", "field", "plant"} {
		for _, purpose := range []string{"all", "vpn-users", "mail", "contractors", "admins", "readers", "approvers", "on-call", "laptops", "phones"} {
			all = append(all, fmt.Sprintf("%s-%s (from AD sync \"example.org\")", department, purpose))
		}
	}
	return all
}

func phone(random *rand.Rand) string {
	return fmt.Sprintf("+1%03d55501%02d", 201+random.IntN(780), random.IntN(100))
}

func address(random *rand.Rand) string {
	return fmt.Sprintf("%s.%d", pick(random, "192.0.2", "198.51.100", "203.0.113"), 1+random.IntN(254))
}

// pick draws one of several.
func pick[T any](random *rand.Rand, from ...T) T { return from[random.IntN(len(from))] }
