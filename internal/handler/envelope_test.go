package handler

import (
	"encoding/json"
	"strings"
	"testing"
)

const fullPush = `{"message":{"@type":"type.googleapis.com/google.pubsub.v1.PubsubMessage","attributes":{"key":"value"},
"data":"SGVsbG8=","messageId":"42","message_id":"42","publishTime":"2021-02-26T19:13:55.749Z",
"publish_time":"2021-02-26T19:13:55.749Z","orderingKey":"o"},"subscription":"projects\/p\/subscriptions\/s","deliveryAttempt":3}`

func TestDecodePush(t *testing.T) {
	tests := []struct {
		name, body string
		want       Push
	}{
		{"all fields", fullPush, Push{MessageID: "42", Subscription: "projects/p/subscriptions/s", DeliveryAttempt: 3}},
		{"attributes only", `{"message":{"attributes":{"k":"v"},"messageId":"1"},"subscription":"s"}`, Push{MessageID: "1", Subscription: "s"}},
		{"empty data", `{"message":{"data":"","messageId":"1"}}`, Push{MessageID: "1"}},
		{"null data", `{"message":{"data":null,"messageId":"1"}}`, Push{MessageID: "1"}},
		{"empty message", `{"message":{}}`, Push{}},
		{"data with + and /", `{"message":{"data":"+/+/"}}`, Push{}},
		{"space around", "\r\n {\"message\":{}} \n", Push{}},
		{"unknown fields", `{"message":{"new":{"er":[1]}},"newest":true}`, Push{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := decodePush([]byte(tt.body))
			if err != nil || got != tt.want {
				t.Errorf("decodePush = %+v, %v, want %+v", got, err, tt.want)
			}
		})
	}
}

func TestDecodePushMalformed(t *testing.T) {
	const wrapped = "the subscription must send wrapped messages"
	tests := []struct{ name, body, reason string }{
		{"empty", ``, wrapped},
		{"no JSON", `tick`, wrapped},
		{"cut short", fullPush[:100], wrapped},
		{"null", `null`, "no message"},
		{"list", `[]`, wrapped},
		{"string", `"message"`, wrapped},
		{"no message", `{"subscription":"s"}`, "no message"},
		{"null message", `{"message":null}`, "no message"},
		{"message a list", `{"message":[]}`, wrapped},
		{"message a string", `{"message":"{}"}`, wrapped},
		{"data a number", `{"message":{"data":5}}`, wrapped},
		{"data a list of bytes", `{"message":{"data":[72,105]}}`, wrapped},
		{"data not base64", `{"message":{"data":"tick!"}}`, "padded base64"},
		{"data unpadded", `{"message":{"data":"SGVsbG8"}}`, "padded base64"},
		{"data url-safe", `{"message":{"data":"-_-_"}}`, "padded base64"},
		{"text after", `{"message":{}}tick`, wrapped},
		{"object after", `{"message":{}}{"message":{}}`, wrapped},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := decodePush([]byte(tt.body))
			if err == nil || !strings.Contains(err.Error(), tt.reason) || got != (Push{}) {
				t.Errorf("decodePush = %+v, %v, want an error with %q", got, err, tt.reason)
			}
		})
	}
}

// FuzzDecodePush looks for a body that is let through although it is no JSON
// object with a message.
func FuzzDecodePush(f *testing.F) {
	f.Add([]byte(fullPush))
	f.Add([]byte(`{"message":{"data":"SGVsbG8="},"MESSAGE":null}`))
	f.Add([]byte(`{"message":{}}{}`))
	f.Add([]byte(`[{"message":{}}]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if _, err := decodePush(body); err != nil {
			return
		}
		var fields map[string]json.RawMessage
		if err := json.Unmarshal(body, &fields); err != nil || len(fields) == 0 {
			t.Errorf("%q was let through: %v", body, err)
		}
	})
}
