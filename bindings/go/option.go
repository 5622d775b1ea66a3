package qmp

// #include "glue.h"
import "C"

import (
	"strconv"
	"time"
)

// Option is a setting for New, Open and ListDomains.
type Option func(*Client) error

// With sets an option by the name and value that libqmp.h documents at qmp_monitor_set: With("listen", "on").
func With(option, value string) Option {
	return func(c *Client) error { return c.Set(option, value) }
}

// WithTimeout bounds every call that has no context, or one without a deadline. The default is 30 seconds; a negative
// duration is no limit.
func WithTimeout(limit time.Duration) Option {
	if limit < 0 {
		return With("timeout", "-1")
	}
	return With("timeout", strconv.FormatInt(milliseconds(limit), 10))
}

// WithLogin is who logs in at a libvirt daemon that asks.
func WithLogin(username, password string) Option {
	return func(c *Client) error {
		if err := c.Set("username", username); err != nil {
			return err
		}
		return c.Set("password", password)
	}
}

// WithEventQueue bounds what may wait in each stream of events: what does not fit is told as EventsLost.
func WithEventQueue(events, bytes int) Option {
	return func(c *Client) error {
		if err := c.Set("max-events", strconv.Itoa(events)); err != nil {
			return err
		}
		return c.Set("max-event-bytes", strconv.Itoa(bytes))
	}
}

// Set sets an option by the name and value that libqmp.h documents at qmp_monitor_set.
func (c *Client) Set(option, value string) error {
	name, err := cText(c.target, option)
	if err != nil {
		return err
	}
	defer freeText(name)
	text, err := cText(c.target, value)
	if err != nil {
		return err
	}
	defer freeText(text)
	handle, err := c.enter()
	if err != nil {
		return err
	}
	defer c.leave()
	var failure *C.qmp_error
	if C.qmp_monitor_set(handle, name, text, &failure) != 0 {
		return takeError(c.target, failure)
	}
	return nil
}

// milliseconds rounds up: nothing ends before its time.
func milliseconds(d time.Duration) int64 {
	return int64((d + time.Millisecond - 1) / time.Millisecond)
}
