package record

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"duo-telephony-collector/internal/duo"
)

const phonesKey = "0123456789abcdef"

// modes are all that Phones can be.
var modes = map[string]Phones{"keep": must("keep"), "mask": must("mask"), "hash": must("hash")}

func must(mode string) Phones {
	p, err := NewPhones(mode, []byte(phonesKey))
	if err != nil {
		panic(err)
	}
	return p
}

func logOf(t *testing.T, name string) duo.Log {
	t.Helper()
	log, there := duo.LogNamed(name)
	if !there {
		t.Fatalf("there is no log %s", name)
	}
	return log
}

// TestMaskPhone has telephony's phone, and what it becomes.
func TestMaskPhone(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`"+12025550100"`:                   `"+xxxxxxx0100"`,
		`"+1 (202) 555-0100"`:              `"+x (xxx) xxx-0100"`,
		`"0100"`:                           `"0100"`,
		`"20100"`:                          `"x0100"`,
		`""`:                               `""`,
		`"anonymous"`:                      `"anonymous"`,
		`"+1202555\u00310100"`:             `"+xxxxxxxx0100"`,
		`"\u002b12025550100\u00e9\n\"\\/"`: `"\u002bxxxxxxx0100\u00e9\n\"\\/"`,
		"\"\xff12025550100\xff\"":          "\"\xffxxxxxxx0100\xff\"",
		`"é12025550100😀"`:                  `"éxxxxxxx0100😀"`,
		`"\ud83d\ude0012025550100"`:        `"\ud83d\ude00xxxxxxx0100"`,
		`12025550100`:                      `"xxxxxxx0100"`,
		`7`:                                `7`,
		`null`:                             `null`,
		`true`:                             `true`,
		`["+12025550100",{"n":"+12025550101","12025550100":[null,12025550102]}]`: `["+xxxxxxx0100",{"n":"+xxxxxxx0101","12025550100":[null,"xxxxxxx0102"]}]`,
		`{}`: `{}`,
	} {
		checkApplied(t, "mask", telephony, `{"a":"+12025550100","phone":`+in+`,"b":{"phone":"+12025550100"}}`,
			`{"a":"+12025550100","phone":`+want+`,"b":{"phone":"+12025550100"}}`)
	}
	checkApplied(t, "mask", telephony, "{ \"phone\" :\t\"+12025550100\" , \"ph\\u006fne\":\"+12025550101\",\"Phone\":\"+12025550102\" } ",
		"{ \"phone\" :\t\"+xxxxxxx0100\" , \"ph\\u006fne\":\"+xxxxxxx0101\",\"Phone\":\"+12025550102\" } ")
	for _, other := range []string{`["+12025550100"]`, `"+12025550100"`, `{"phone":"+12025550100"`, `{"phone":"+12025550100"}}`, ``} {
		checkApplied(t, "mask", telephony, other, other)
	}
}

func checkApplied(t *testing.T, mode string, log duo.Log, raw, want string) {
	t.Helper()
	before := []byte(raw)
	if got := string(modes[mode].Apply(before, log)); got != want || string(before) != raw {
		t.Errorf("%s: %s becomes\n%s, want\n%s", mode, raw, got, want)
	}
	if twice := string(modes[mode].Apply([]byte(want), log)); twice != want {
		t.Errorf("%s: %s becomes %s when it is applied again", mode, want, twice)
	}
	checkKept(t, raw)
}

func checkKept(t *testing.T, raw string) {
	t.Helper()
	for _, log := range duo.Logs {
		if got := string(Phones{}.Apply([]byte(raw), log)); got != raw {
			t.Errorf("%s: %s is not kept: %s", log.Name, raw, got)
		}
	}
}

// TestMaskDevice has devices of an authentication: names of phones have their
// numbers masked, wherever those stand, and other devices stay.
func TestMaskDevice(t *testing.T) {
	t.Parallel()
	log := logOf(t, "authentication")
	const phone, token, security = `"key":"DPZ9Y8X7W6V5U4T3S2R1"`, `"key":"DHZ9Y8X7W6V5U4T3S2R1"`, `"key":"WAZ9Y8X7W6V5U4T3S2R1"`
	for _, test := range []struct{ key, name, want string }{
		{phone, "+12025550100", "+xxxxxxx0100"},
		{phone, "Work phone (+33 6 55 50 10 10)", "Work phone (+xx x xx xx 10 10)"},
		{phone, "iPhone 15 (734-555-0123)", "iPhone 15 (xxx-xxx-0123)"},
		{phone, "Pixel 9 Pro 7345550123", "Pixel 9 Pro xxxxxx0123"},
		{phone, "iPhone 15 Pro", "iPhone 15 Pro"},
		{phone, "iPhone 15 +1 (202) 555-0100", "iPhone 15 +x (xxx) xxx-0100"},
		{phone, "1 (202) 555-0100", "1 (xxx) xxx-0100"},
		{phone, "555-0100", "xxx-0100"},
		{phone, "55-0100", "55-0100"},
		{phone, "+12025550100, +12025550101", "+xxxxxxx0100, +xxxxxxx0101"},
		{phone, "+12025550100 +12025550101 x123", "+xxxxxxx0100 +xxxxxxx0101 x123"},
		{phone, "\u202a+1 202‑555‑0100\u202c", "\u202a+x xxx‑xxx‑0100\u202c"},
		{token, "HOTP-6 12345678", "HOTP-6 12345678"},
		{token, "12345678", "12345678"},
		{security, "YubiKey (12345678)", "YubiKey (12345678)"},
		{`"key":""`, "+12025550100", "+xxxxxxx0100"},
		{`"key":null`, "Work phone (+33 6 55 50 10 10)", "Work phone (+xx x xx xx 10 10)"},
		{`"x":1`, "iPhone (734-555-0123)", "iPhone (xxx-xxx-0123)"},
		{`"x":1`, "iPhone (734) 555-0123", "iPhone (xxx) xxx-0123"},
		{`"x":1`, " 734-555-0123.", " xxx-xxx-0123."},
		{`"x":1`, "HOTP-6 12345678", "HOTP-6 12345678"},
		{`"x":1`, "Disk 12345678", "Disk 12345678"},
		{`"key":["DP"]`, "+12025550100", "+xxxxxxx0100"},
	} {
		for _, form := range []string{
			`{"auth_device":{%s,"ip":"203.0.113.9","name":%s},"email":"+12025550100","name":"+12025550100"}`,
			`{"name":"+12025550100","auth_device":{"name":%[2]s,%[1]s},"access_device":{"name":"+12025550100"}}`,
		} {
			raw, want := fmt.Sprintf(form, test.key, quoted(test.name)), fmt.Sprintf(form, test.key, quoted(test.want))
			checkApplied(t, "mask", log, raw, want)
		}
	}
	for _, other := range []string{`{"auth_device":"+12025550100"}`, `{"auth_device":["+12025550100"]}`, `{"auth_device":{}}`, `{"auth_device.name":"+12025550100"}`, `{"phone":"+12025550100"}`} {
		checkApplied(t, "mask", log, other, other)
	}
	// Each device goes by its own key.
	checkApplied(t, "mask", log, `{"auth_device":{"name":"12345678",`+token+`},"auth_device":{`+phone+`,"name":"12345678","name":["12345679"]}}`,
		`{"auth_device":{"name":"12345678",`+token+`},"auth_device":{`+phone+`,"name":"xxxx5678","name":["xxxx5679"]}}`)
}

func quoted(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// TestHash: what is hashed is the digits alone, so that a number in a name is the
// one of a call.
func TestHash(t *testing.T) {
	t.Parallel()
	// printf %s 33655501010 | openssl dgst -sha256 -hmac 0123456789abcdef
	const want = "hmac-sha256:96d095f44ea47be5c73ad1350aeb11aae0a25d836a1251e545cdcd6378d57b8f"
	authentication := logOf(t, "authentication")
	checkApplied(t, "hash", telephony, `{"phone":"+33655501010"}`, `{"phone":"`+want+`"}`)
	checkApplied(t, "hash", telephony, `{"phone":33655501010}`, `{"phone":"`+want+`"}`)
	checkApplied(t, "hash", authentication, `{"auth_device":{"key":"DP1","name":"Work phone (+33 6 55 50 10 10)"}}`, `{"auth_device":{"key":"DP1","name":"Work phone (`+want+`)"}}`)
	checkApplied(t, "hash", authentication, `{"auth_device":{"name":"+33 6 55 50 10 10, (33655501010)"}}`, `{"auth_device":{"name":"`+want+`, (`+want+`)"}}`)
	checkApplied(t, "hash", authentication, `{"auth_device":{"key":"DH1","name":"HOTP-6 12345678"}}`, `{"auth_device":{"key":"DH1","name":"HOTP-6 12345678"}}`)
	other, err := NewPhones("hash", []byte("another key of ours"))
	if err != nil {
		t.Fatal(err)
	}
	if got := other.Apply([]byte(`{"phone":"+33655501010"}`), telephony); !bytes.Contains(got, []byte(hashPrefix)) || bytes.Contains(got, []byte(want)) {
		t.Errorf("another key makes %s", got)
	}
}

func TestNewPhones(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ mode, key, want string }{
		{"hash", "", "at least 16 bytes"}, {"hash", "0123456789abcde", "at least 16 bytes"}, {"", phonesKey, "none of keep, mask and hash"}, {"Mask", "", "none of"},
	} {
		if _, err := NewPhones(test.mode, []byte(test.key)); err == nil || !strings.Contains(err.Error(), test.want) || test.key != "" && strings.Contains(err.Error(), test.key) {
			t.Errorf("%q: %v, want %s", test.mode, err, test.want)
		}
	}
	key := []byte(phonesKey)
	p, err := NewPhones("hash", key)
	clear(key)
	if a, b := p.Apply([]byte(`{"phone":"1"}`), telephony), modes["hash"].Apply([]byte(`{"phone":"1"}`), telephony); err != nil || !bytes.Equal(a, b) {
		t.Errorf("the key changes with its memory: %s, %s", a, b)
	}
	if shown := fmt.Sprintf("%v %+v %#v", p, p, p); strings.Contains(shown, phonesKey) || strings.Contains(shown, fmt.Sprint([]byte(phonesKey))) {
		t.Error("the key is shown")
	}
}

// withPhones has records of logs with numbers, as Duo sends them, that an object
// holds in one mode and Duo shows in another.
var withPhones = map[string]string{
	"telephony":      samples["telephony"],
	"authentication": strings.Replace(samples["authentication"], `"event_type"`, `"auth_device":{"ip":null,"key":"DPZ9Y8X7W6V5U4T3S2R1","name":"Work phone (+12025550100)"},"event_type"`, 1),
}

// read is a record as a run fetches it.
func read(raw string, log duo.Log, p Phones) Record {
	var page Page
	return page.Read([]jsontext.Value{[]byte(raw)}, log, p, apiHost)[0]
}

// TestPhonesIdentity: a record is the same one in every mode, and its line is
// recognised also where it is read back in another mode than it was written in.
func TestPhonesIdentity(t *testing.T) {
	t.Parallel()
	for name, raw := range withPhones {
		log := logOf(t, name)
		want := Read([]byte(raw), log, apiHost)
		for written, p := range modes {
			r := read(raw, log, p)
			if (string(r.Line) == string(want.Line)) != (written == "keep") {
				t.Errorf("%s, %s: the line is %s", name, written, r.Line)
			}
			if r.ID != want.ID || r.At != want.At {
				t.Errorf("%s, %s: it is another record", name, written)
			}
			for _, q := range modes {
				if back := Read(q.Apply(r.Line, log), log, ""); back.Written != r.Written || back.At != want.At {
					t.Errorf("%s: written with %s its line is not recognised", name, written)
				}
			}
		}
	}
}

// TestPhonesWithoutID has two records that only their bytes tell apart, the number
// among them: they stay two in every mode, also where they differ only in digits
// that are masked, and each line is recognised.
func TestPhonesWithoutID(t *testing.T) {
	t.Parallel()
	for name, form := range map[string]string{
		"telephony":      `{"phone":"%s","telephony_id":"","ts":"2026-11-20T09:15:02.481920+00:00"}`,
		"authentication": `{"auth_device":{"key":null,"name":"%s"},"isotimestamp":"2026-11-20T09:15:02.481920+00:00","txid":"7c0a2f5e-8d0b-4d4e-9d57-0c6b2f7a9e11"}`,
	} {
		log := logOf(t, name)
		kept := fmt.Sprintf(form, "+12025550100")
		for mode, p := range modes {
			a := read(kept, log, p)
			for _, other := range []string{"+12025550101", "+13025550100"} {
				if a.ID == read(fmt.Sprintf(form, other), log, p).ID {
					t.Errorf("%s, %s: two records are one", name, mode)
				}
			}
			if a.ID != Read([]byte(kept), log, "").ID {
				t.Errorf("%s: with %s it is another record", name, mode)
			}
			if Read(a.Line, log, "").Written != a.Written || Read(p.Apply(a.Line, log), log, "").Written != a.Written {
				t.Errorf("%s, %s: %s is not recognised when it is read back", name, mode, a.Line)
			}
			// What was kept is found again once numbers are masked.
			if Read(p.Apply(Read([]byte(kept), log, apiHost).Line, log), log, "").Written != a.Written {
				t.Errorf("%s, %s: what an earlier mode kept is not recognised", name, mode)
			}
		}
	}
}

// TestDeviceIdentity: of an authentication all bytes tell. Its line is recognised
// whatever the name of a device that has a key.
func TestDeviceIdentity(t *testing.T) {
	t.Parallel()
	log := logOf(t, "authentication")
	for _, test := range []struct {
		name, a, b string
		same       bool
	}{
		{"another name", `{"auth_device":{"key":"DP1","name":"a"}}`, `{"auth_device":{"key":"DP1","name":"b"}}`, true},
		{"another name of a token", `{"auth_device":{"name":"a","key":"DH1"}}`, `{"auth_device":{"name":null,"key":"DH1"}}`, true},
		{"another key", `{"auth_device":{"key":"DP1","name":"a"}}`, `{"auth_device":{"key":"DP2","name":"a"}}`, false},
		{"no key", `{"auth_device":{"name":"a"}}`, `{"auth_device":{"name":"b"}}`, false},
		{"a key that says nothing", `{"auth_device":{"key":"","name":"a"}}`, `{"auth_device":{"key":"","name":"b"}}`, false},
		{"a key that is no text", `{"auth_device":{"key":1,"name":"a"}}`, `{"auth_device":{"key":1,"name":"b"}}`, false},
		{"one has no name", `{"auth_device":{"key":"DP1"}}`, `{"auth_device":{"key":"DP1","name":"a"}}`, false},
		{"a name elsewhere", `{"auth_device":{"key":"DP1"},"name":"a"}`, `{"auth_device":{"key":"DP1"},"name":"b"}`, false},
		{"a name in something else", `{"auth_device":{"key":"DP1","x":{"name":"a"}}}`, `{"auth_device":{"key":"DP1","x":{"name":"b"}}}`, false},
		{"another member", `{"auth_device":{"key":"DP1","name":"a","ip":"1"}}`, `{"auth_device":{"key":"DP1","name":"a","ip":"2"}}`, false},
		{"another result", `{"auth_device":{"key":"DP1","name":"a"},"result":"x"}`, `{"auth_device":{"key":"DP1","name":"a"},"result":"y"}`, false},
		{"the name moves", `{"auth_device":{"key":"DP1","name":"a"}}`, `{"auth_device":{"name":"a","key":"DP1"}}`, false},
	} {
		if a, b := Read([]byte(test.a), log, ""), Read([]byte(test.b), log, ""); (a.Written == b.Written) != test.same || a.ID == b.ID {
			t.Errorf("%s: the line is recognised: %v; the record is the same: %v", test.name, a.Written == b.Written, a.ID == b.ID)
		}
	}
}

// TestDeviceIdentityInPage: where numbers are in one record says nothing of the
// next one.
func TestDeviceIdentityInPage(t *testing.T) {
	t.Parallel()
	for name, raw := range withPhones {
		log := logOf(t, name)
		var page Page
		for i, r := range page.Read([]jsontext.Value{[]byte(raw), []byte(`{"a":1}`), []byte(raw)}, log, Phones{}, apiHost) {
			if want := Read([]byte([]string{raw, `{"a":1}`, raw}[i]), log, apiHost); r.ID != want.ID {
				t.Errorf("%s: record %d of a page is another one than alone", name, i)
			}
		}
	}
}

// FuzzPhones applies each mode to any JSON value: it stays valid, what is not a
// number stays in its place, no long number is left in telephony's phone, and
// lines read back as the same record.
func FuzzPhones(f *testing.F) {
	for _, raw := range withPhones {
		f.Add([]byte(raw))
	}
	for _, s := range []string{
		`{"phone":"+1 (202) 555-0100"}`, `{"phone":["\u0031\ud83d2025550100",12025550100]}`, `{"auth_device":{"name":"+33 6 55 50 10 10","key":"DP1"}}`,
		`{"auth_device":{"name":{"a":"7345550123"},"name":"hmac-sha256:x"},"auth_device":[]}`, "{ \"phone\" : \"\xff1234567\u202c\" }",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if !json.Valid(raw) {
			return
		}
		for _, log := range duo.Logs {
			for mode, p := range modes {
				staysRecord(t, log, mode, p, raw)
			}
		}
	})
}

func staysRecord(t *testing.T, log duo.Log, mode string, p Phones, raw []byte) {
	t.Helper()
	applied := p.Apply(raw, log)
	if !json.Valid(applied) {
		t.Fatalf("%s, %s: %q becomes %q", log.Name, mode, raw, applied)
	}
	if (mode == "keep" || log.Phone == "") && !bytes.Equal(applied, raw) {
		t.Fatalf("%s, %s: %q becomes %q", log.Name, mode, raw, applied)
	}
	if twice := p.Apply(applied, log); !bytes.Equal(twice, applied) {
		t.Fatalf("%s, %s: %q becomes %q, and then %q", log.Name, mode, raw, applied, twice)
	}
	if mode == "mask" && shape(applied) != shape(raw) {
		t.Fatalf("%s: %q is masked to %q", log.Name, raw, applied)
	}
	r := Read(applied, log, apiHost)
	if again := Read(r.Line, log, ""); again.ID != r.ID || again.At != r.At || Read(p.Apply(r.Line, log), log, "").ID != r.ID {
		t.Fatalf("%s, %s: %q reads back as %+v, was %+v", log.Name, mode, r.Line, again, r)
	}
	if number := Read(raw, log, apiHost); log.Unique && number.At != r.At {
		t.Fatalf("%s, %s: the time of %q is %d, was %d", log.Name, mode, raw, r.At, number.At)
	}
}

var (
	escapedDigit = regexp.MustCompile(`\\u003[0-9]`)
	digit        = regexp.MustCompile(`[0-9]`)
)

// shape is what masking must not change: everything but digits, which x stands
// for, and the quotes that a masked number gets.
func shape(raw []byte) string {
	return strings.ReplaceAll(digit.ReplaceAllString(escapedDigit.ReplaceAllString(string(raw), "x"), "x"), `"`, "")
}
