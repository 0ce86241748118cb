package handler

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strings"
)

// Push is what matters of a Pub/Sub push delivery. The message's data is of no
// interest: it is a tick.
type Push struct {
	MessageID    string
	Subscription string
	// Log and Account are the message's attributes of those names, nil if it has
	// none.
	Log, Account *string
	// DeliveryAttempt is 0 for a subscription without a dead-letter topic.
	DeliveryAttempt int
}

// decodePush reads the body of a wrapped push, plain or from Eventarc, see
// https://docs.cloud.google.com/pubsub/docs/push. Fields that it does not know
// are normal: Pub/Sub sends some under two names. Data may be missing or empty;
// where it is there it must be what Pub/Sub sends, padded standard base64,
// because anything else was not sent by Pub/Sub.
func decodePush(body []byte) (Push, error) {
	var envelope struct {
		Message *struct {
			MessageID  string             `json:"messageId"`
			Data       string             `json:"data"`
			Attributes map[string]*string `json:"attributes"`
		} `json:"message"`
		Subscription    string `json:"subscription"`
		DeliveryAttempt int    `json:"deliveryAttempt"`
	}
	if err := json.Unmarshal(body, &envelope); err != nil {
		return Push{}, fmt.Errorf("reading the push body: %w; %s", err, hintWrapped)
	}
	if envelope.Message == nil {
		return Push{}, errors.New("the push body has no message; " + hintWrapped)
	}
	if _, err := base64.StdEncoding.DecodeString(envelope.Message.Data); err != nil {
		return Push{}, fmt.Errorf("reading the push message's data: %w; Pub/Sub sends padded base64", err)
	}
	return Push{
		MessageID:       envelope.Message.MessageID,
		Subscription:    envelope.Subscription,
		Log:             envelope.Message.Attributes["log"],
		Account:         envelope.Message.Attributes["account"],
		DeliveryAttempt: envelope.DeliveryAttempt,
	}, nil
}

// What a caller has to change that sends something else than a wrapped push.
const (
	hintWrapped   = "the subscription must send wrapped messages: switch payload unwrapping off"
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
