package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"time"

	"duo-telephony-collector/internal/duo/duosim"
)

// simulator is a small company's Duo account: a telephony record every 90 seconds
// on average, of which one in 40 appears four minutes late, and so on. The records
// depend on their time alone, so a later process sees the same ones.
var simulator = duosim.Config{
	IKey: "DISIMULATEDACCOUNT00", SKey: "simulated-secret-key", Host: "api-simulated.duosecurity.com",
	Generate: duosim.Generator{Seed: 1, PerHour: 40, LateOneIn: 40, LateBy: 4 * time.Minute},
	GenerateFor: map[string]duosim.Generator{
		"authentication": {Seed: 1, PerHour: 60, LateOneIn: 40, LateBy: 90 * time.Minute},
		"activity":       {Seed: 1, PerHour: 15, LateOneIn: 40, LateBy: 4 * time.Minute},
		"trust-monitor":  {Seed: 1, PerHour: 1, LateOneIn: 10, LateBy: 2 * time.Hour},
	},
}

// simulatedChildren are three companies below that one, for DUO_ACCOUNTS=children.
var simulatedChildren = []duosim.Child{
	{ID: "DASIMULATEDCHILD0001", Name: "Contoso Dental", Host: "api-simulated1.duosecurity.com"},
	{ID: "DASIMULATEDCHILD0002", Name: "Fabrikam", Host: "api-simulated2.duosecurity.com"},
	{ID: "DASIMULATEDCHILD0003", Name: "Northwind Traders", Host: "api-simulated3.duosecurity.com"},
}

// newSimulator returns the simulated account, or one of which only children have logs.
func newSimulator(accounts string) *duosim.Sim {
	sim := duosim.New(simulator)
	if accounts == childAccounts {
		for _, child := range simulatedChildren {
			sim.AddChild(child)
		}
	}
	return sim
}

// duoVariables lead to a Duo application; the last one has two names.
var duoVariables = [][]string{{"DUO_IKEY"}, {"DUO_API_HOST"}, {"DUO_SKEY", "DUO_SKEY_FILE"}}

// withDuo returns the environment with the variables that lead to a Duo: the real one's
// if all are set, else those of the simulator, of which startSimulator has the URL. Of that
// one simulated says so, and why; it is empty for the real one.
func withDuo(without lookup) (with lookup, simulated string) {
	accounts, _ := without("DUO_ACCOUNTS")
	accounts = strings.TrimSpace(accounts)
	if accounts != "" && !strings.EqualFold(accounts, ownAccount) && !strings.EqualFold(accounts, childAccounts) {
		return without, "" // an accounts file has applications of the real one
	}
	var set, unset []string
	for _, names := range duoVariables {
		i := slices.IndexFunc(names, func(name string) bool { _, ok := without(name); return ok })
		if i < 0 {
			unset = append(unset, names[0])
		} else {
			set = append(set, names[i])
		}
	}
	switch {
	case len(unset) == 0:
		return without, ""
	case len(set) == 0:
		simulated = "a simulated Duo (set DUO_IKEY, DUO_SKEY and DUO_API_HOST for the real one)"
	default:
		simulated = fmt.Sprintf("a simulated Duo, in spite of %s (the real one needs %s, too)", strings.Join(set, " and "), strings.Join(unset, " and "))
	}
	return overlaid(without, map[string]string{
		"DUO_IKEY": simulator.IKey, "DUO_SKEY": simulator.SKey, "DUO_SKEY_FILE": "", "DUO_API_HOST": simulator.Host, "DUO_API_URL": "",
	}), simulated
}

// startSimulator leads the configuration to a simulator, which ends with the process.
func startSimulator(ctx context.Context, cfg *config) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("starting the Duo simulator: %w", err)
	}
	go serve(context.WithoutCancel(ctx), listener, newSimulator(cfg.accounts), slog.Default())
	cfg.duoURL = "http://" + listener.Addr().String()
	return nil
}
