package duo

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"testing"
)

// The vectors are those of Duo's own client libraries.

const noise = `{"\u469a\u287b\u35d0\u8ef3\u6727\u502a\u0810\ud091\u00c8\uc170":"\u0f45\u1a76\u341a\u654c\uc23f\u9b09\uabe2\u8343\u1b27\u60d0",` +
	`"\u7449\u7e4b\uccfb\u59ff\ufe5f\u83b7\uadcc\u900c\ucfd1\u7813":"\u8db7\u5022\u92d3\u42ef\u207d\u8730\uacfe\u5617\u0946\u4e30",` +
	`"\u7470\u9314\u901c\u9eae\u40d8\u4201\u82d8\u8c70\u1d31\ua042":"\u17d9\u0ba8\u9358\uaadf\ua42a\u48be\ufb96\u6fe9\ub7ff\u32f3",` +
	`"\uc2c5\u2c1d\u2620\u3617\u96b3F\u8605\u20e8\uac21\u5934":"\ufba9\u41aa\ubd83\u840b\u2615\u3e6e\u652d\ua8b5\ud56bU"}`

const noiseEncoded = "%E4%9A%9A%E2%A1%BB%E3%97%90%E8%BB%B3%E6%9C%A7%E5%80%AA%E0%A0%90%ED%82%91%C3%88%EC%85%B0" +
	"=%E0%BD%85%E1%A9%B6%E3%90%9A%E6%95%8C%EC%88%BF%E9%AC%89%EA%AF%A2%E8%8D%83%E1%AC%A7%E6%83%90" +
	"&%E7%91%89%E7%B9%8B%EC%B3%BB%E5%A7%BF%EF%B9%9F%E8%8E%B7%EA%B7%8C%E9%80%8C%EC%BF%91%E7%A0%93" +
	"=%E8%B6%B7%E5%80%A2%E9%8B%93%E4%8B%AF%E2%81%BD%E8%9C%B0%EA%B3%BE%E5%98%97%E0%A5%86%E4%B8%B0" +
	"&%E7%91%B0%E9%8C%94%E9%80%9C%E9%BA%AE%E4%83%98%E4%88%81%E8%8B%98%E8%B1%B0%E1%B4%B1%EA%81%82" +
	"=%E1%9F%99%E0%AE%A8%E9%8D%98%EA%AB%9F%EA%90%AA%E4%A2%BE%EF%AE%96%E6%BF%A9%EB%9F%BF%E3%8B%B3" +
	"&%EC%8B%85%E2%B0%9D%E2%98%A0%E3%98%97%E9%9A%B3F%E8%98%85%E2%83%A8%EA%B0%A1%E5%A4%B4" +
	"=%EF%AE%A9%E4%86%AA%EB%B6%83%E8%90%8B%E2%98%95%E3%B9%AE%E6%94%AD%EA%A2%B5%ED%95%ABU"

func TestSignature(t *testing.T) {
	const (
		skeyB   = "Zh5eGmUq9zpfQnyUIu5OL9iWoMMv5ZNmk3zLJ4Ep"
		dateB   = "Tue, 21 Aug 2012 17:29:18 -0000"
		hostB   = "api-XXXXXXXX.duosecurity.com"
		skeyD   = "testtesttesttesttesttesttesttesttesttest"
		dateD   = "Fri, 24 May 2024 12:00:00 -0000"
		hostD   = "api-xxxxxxxx.duosecurity.com"
		headerD = "x-duo-date\x00" + dateD
	)
	tests := map[string]struct {
		ikey   string // "" where want is the signature without credentials
		skey   string
		signed signed
		want   string
	}{
		"ruby": {
			skey: "gtdfxv9YgVBYcF6dl2Eq17KUQJN2PLM2ODVTkvoT",
			signed: signed{date: "Fri, 07 Dec 2012 17:18:00 -0000", method: "POST", host: "foO.BAr52.cOm",
				path: "/Foo/BaR2/qux", query: noiseEncoded},
			want: "de886475f5ee8cf32872a7c10869e4dce7a0038f8b0da01d903469c6240473df" +
				"d1abf98b40b34b9ad7fbc99d5df3f2279e7105fd9101c428b94faaeec5e179cf",
		},
		"go, body and parameters": {
			ikey: "DIWJ8X6AEYOR5OMC6TQ1",
			skey: skeyB,
			signed: signed{date: dateB, method: "POST", host: hostB, path: "/accounts/v1/account/list",
				query: "realname=First%20Last", body: `{"txid":"f22b1678-252a-4070-b176-0ca2be7319fd"}`},
			want: "RElXSjhYNkFFWU9SNU9NQzZUUTE6NzhmNDMyN2Y4MzExNzNjYzc4ZDA5MDdlOTEzZTNjNWEyOGZlNzJkZDQ1NDVhMzQyNTg2YmI2NzE4MWYyYmEzOTNkMjA5MTFlODcwMzYyZjZmYWJhM2RjNmY3ZTlkYjVlOTNhZWQyZjNiZmMxMTBjNmRhZGFmZjRkYzYxNzllMGI=",
		},
		"node, body": {
			ikey: "test_ikey",
			skey: "test_skey",
			signed: signed{date: dateB, method: "POST", host: "test.duosecurity.com", path: "/test/v1",
				body: `{"realname":"First Last","username":"root"}`},
			want: "dGVzdF9pa2V5OjdkMDI0MDlhMTUyNzY0ODQzY2NjZDgyODRkYTE1M2IzZmI0NDZiYWFkNWY5OTg4ODYzMjVlMjRiYzljZDRhMjQ0ZGU4NWFkNGJmYTdlYTI4NWQ2ODIwOWYxNjA4MzU2NzNkOGI0ZjFlMWIyM2Q5Y2Q1MjFkMjZiZmU3ZjM2NmE0",
		},
		"duo_hmac, x-duo header": {
			ikey:   "DIABCDEFGHIJKLMNOPQR",
			skey:   skeyD,
			signed: signed{date: dateD, method: "GET", host: hostD, path: "/api/path", headers: headerD},
			want:   "RElBQkNERUZHSElKS0xNTk9QUVI6YzQ1NDYzOWQ3NWI0ZTNkOTliOGIxZDVlNDFjZDdiYjJkMmQ4YmE1NWY2ODExZjc4NmRmYjBlZGQ0ZmFjZDJmM2E1ZTZkNmM4MzdmMzFmNjgyNjcwNjMyNWI0ZWQ3ZGNkYzVmMTExNjQ5NDhlNTdhNzAzMmE1MjQ5OTBlMDE1ODM=",
		},
		"duo_hmac, x-duo header and parameter": {
			ikey:   "DIABCDEFGHIJKLMNOPQR",
			skey:   skeyD,
			signed: signed{date: dateD, method: "GET", host: hostD, path: "/api/path", query: "foo=bar", headers: headerD},
			want:   "RElBQkNERUZHSElKS0xNTk9QUVI6ODhmZTgwZjNiMjQyYjk5MmY0YjMwMTQwOGQ1MjRhODg2Mjc0ZDNlZDBjNGM3YmQxODRlMWI0ZmYzNzhlNjhlYTA1ZDk0MzNjMDk5MzgwNzhjNDk1MTdhNmM0MjY0Yzk1MGJlOWZmNWNjMjhhZDJkNDQ4Y2VhMjRiYzkzODg3Y2E=",
		},
		"telephony, computed with duo_client_python": {
			skey: skeyB,
			signed: signed{date: dateB, method: "GET", host: hostB, path: telephony.Path,
				query: "limit=1000&maxtime=1666714065304&mintime=1666714000000&next_offset=1666714065304%2C5bf1a860-fe39-49e3-be29-217659663a74&sort=ts%3Aasc"},
			want: "653b9f9743a10bbc2eb0db5fa0e599d8fcd2c94eac479dd5716b5a6c739b2633" +
				"e0ffeffd06b44f30c5fd58f1fedac9885bff3d4de469ec3eddbdd83d3d357186",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := tt.signed.signature(tt.skey)
			if tt.ikey != "" {
				got = base64.StdEncoding.EncodeToString([]byte(tt.ikey + ":" + got))
			}
			if got != tt.want {
				t.Errorf("signature = %s, want %s", got, tt.want)
			}
		})
	}
}

func TestHeaderHash(t *testing.T) {
	tests := map[string]struct{ headers, want string }{
		"one": {"x-duo-header-1\x00header_value_1",
			"630b4bfe7e9abd03da2eee8f0a5d4e60a254ec880a839bcc2223bb5b9443e8ef24d58f0254f1f5934bf8c017ebd0fd5b1acf86766bdbe74185e712a4092df3ed"},
		"two": {"x-duo-a\x00header_value_1\x00x-duo-b\x00header_value_2",
			"60be11a30e0756f2ee2afdce1db849b987dcf86c1133394bd7bbbc9877920330c4d78aceacbb377ab8cbd9a8efe6a410fed4047376635ac71226ab46ca10d2b1"},
		"none": {"",
			"cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e"},
	}
	for name, tt := range tests {
		if got := hash(tt.headers); got != tt.want {
			t.Errorf("%s: hash = %s, want %s", name, got, tt.want)
		}
	}
}

func TestCanonical(t *testing.T) {
	noisy := url.Values{}
	var pairs map[string]string
	if err := json.Unmarshal([]byte(noise), &pairs); err != nil {
		t.Fatal(err)
	}
	for name, value := range pairs {
		noisy.Set(name, value)
	}
	tests := map[string]struct {
		params url.Values
		want   string
	}{
		"none": {nil, ""},
		"sorted by name, not by pair": {
			url.Values{"foo_bar": {"2"}, "foo": {"1"}}, "foo=1&foo_bar=2"},
		"printable": {
			url.Values{
				"digits":      {"0123456789"},
				"letters":     {"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"},
				"punctuation": {"!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"},
				"whitespace":  {"\t\n\x0b\x0c\r "},
			},
			"digits=0123456789&letters=abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" +
				"&punctuation=%21%22%23%24%25%26%27%28%29%2A%2B%2C-.%2F%3A%3B%3C%3D%3E%3F%40%5B%5C%5D%5E_%60%7B%7C%7D~" +
				"&whitespace=%09%0A%0B%0C%0D%20"},
		"two values": {
			url.Values{"password": {"A(!'*)", "H-._~i"}, "username": {"H ell?o"}},
			"password=A%28%21%27%2A%29&password=H-._~i&username=H%20ell%3Fo"},
		"beyond ASCII": {noisy, noiseEncoded},
	}
	for name, tt := range tests {
		if got := canonical(tt.params); got != tt.want {
			t.Errorf("%s: canonical = %s, want %s", name, got, tt.want)
		}
	}
}
