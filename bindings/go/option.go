package qmp

// #include "glue.h"
import "C"

import (
	"math"
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
// duration is no limit, and so is one of more than 24 days.
func WithTimeout(limit time.Duration) Option {
	return With("timeout", strconv.Itoa(int(milliseconds(limit))))
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

// milliseconds is a limit as the library takes it: rounded up, as nothing ends before its time. What is negative, or
// more than the library can count, is none.
func milliseconds(limit time.Duration) int32 {
	if limit < 0 || limit > math.MaxInt32*time.Millisecond {
		return C.QMP_TIMEOUT_FOREVER
	}
	return int32((limit + time.Millisecond - 1) / time.Millisecond)
}
