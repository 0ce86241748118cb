package handler

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
)

// Push is what the log keeps of a Pub/Sub push delivery. What the message says
// is of no interest: it is a tick.
type Push struct {
	MessageID    string
	Subscription string
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
			MessageID string `json:"messageId"`
			Data      string `json:"data"`
		} `json:"message"`
		Subscription    string `json:"subscription"`
		DeliveryAttempt int    `json:"deliveryAttempt"`
	}
	if err := json.Unmarshal(body, &envelope); err != nil {
		return Push{}, fmt.Errorf("reading the push body: %w; the subscription must send wrapped messages", err)
	}
	if envelope.Message == nil {
		return Push{}, errors.New("the push body has no message; the subscription must send wrapped messages")
	}
	if _, err := base64.StdEncoding.DecodeString(envelope.Message.Data); err != nil {
		return Push{}, fmt.Errorf("reading the push message's data: %w; Pub/Sub sends padded base64", err)
	}
	return Push{
		MessageID:       envelope.Message.MessageID,
		Subscription:    envelope.Subscription,
		DeliveryAttempt: envelope.DeliveryAttempt,
	}, nil
}
