package handler

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strings"
)

// Push is what matters of a Pub/Sub push. The message's data is just a tick.
type Push struct {
	MessageID       string  `json:"-"`
	Log, Account    *string `json:"-"` // the message's attributes, nil if it has none
	Subscription    string  `json:"subscription"`
	DeliveryAttempt int     `json:"deliveryAttempt"` // 0 without a dead-letter topic
}

// decodePush reads the body of a wrapped push, plain or from Eventarc, see
// https://docs.cloud.google.com/pubsub/docs/push. Unknown fields are normal: Pub/Sub
// sends some under two names. Data may be missing or empty; what is no padded standard
// base64 was not sent by Pub/Sub.
func decodePush(body []byte) (Push, error) {
	var envelope struct {
		Push
		Message *struct {
			MessageID  string             `json:"messageId"`
			Data       string             `json:"data"`
			Attributes map[string]*string `json:"attributes"`
		} `json:"message"`
	}
	if err := json.Unmarshal(body, &envelope); err != nil {
		if t, ok := errors.AsType[*json.UnmarshalTypeError](err); ok { // whose text names types of Go
			err = fmt.Errorf("%s is a JSON %s", cmp.Or(t.Field, "it"), t.Value)
		}
		return Push{}, fmt.Errorf("reading the push body: %w; %s", err, hintWrapped)
	}
	p, message := envelope.Push, envelope.Message
	if message == nil {
		return Push{}, errors.New("the push body has no message; " + hintWrapped)
	}
	if _, err := base64.StdEncoding.DecodeString(message.Data); err != nil {
		return Push{}, fmt.Errorf("reading the push message's data: %w; Pub/Sub sends padded base64", err)
	}
	p.MessageID, p.Log, p.Account = message.MessageID, message.Attributes["log"], message.Attributes["account"]
	return p, nil
}

// What a caller has to change that sends something else than a wrapped push.
const (
	hintWrapped   = "the subscription must send wrapped messages: switch payload unwrapping off (a call by hand is POST /run)"
	hintScheduler = "Cloud Scheduler calls this path itself: set the job's target type to Pub/Sub, with the topic that pushes here, or its URL to /run, with an empty body"
	hintUnwrapped = "the subscription sends unwrapped messages: switch payload unwrapping off (gcloud pubsub subscriptions update NAME --clear-push-no-wrapper-config)"
	hintEvent     = "this is a CloudEvent without a wrapped Pub/Sub message: let Eventarc's trigger take events of the type " +
		"google.cloud.pubsub.topic.v1.messagePublished, and its destination the body as it is; or send the events to a Pub/Sub topic, and have a push subscription call this path"
)

// misdirected says by the headers what sent a body that is no wrapped push, and
// what to change about it; "" if they don't tell. See
// https://docs.cloud.google.com/pubsub/docs/payload-unwrapping and
// https://docs.cloud.google.com/scheduler/docs/creating#headers
func misdirected(h http.Header) string {
	media, _, _ := mime.ParseMediaType(h.Get("Content-Type"))
	switch {
	case strings.HasPrefix(h.Get("User-Agent"), "Google-Cloud-Scheduler"), hasPrefixed(h, "X-Cloudscheduler"):
		return hintScheduler
	case hasPrefixed(h, "X-Goog-Pubsub-"):
		return hintUnwrapped
	case strings.HasPrefix(media, "application/cloudevents"), hasPrefixed(h, "Ce-"):
		return hintEvent
	}
	return ""
}

// hasPrefixed reports whether a header's name, as Go writes it, begins so.
func hasPrefixed(h http.Header, prefix string) bool {
	for name := range h {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}
