package qmp

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
)

// Execute sends a command by its name and decodes the value of "return" into result, as json.Unmarshal does; with nil
// for a result it is not looked at. The arguments are anything that json.Marshal makes an object of, or nil. For the
// rest see RunContext.
//
//	err := vm.Execute(ctx, "human-monitor-command", map[string]string{"command-line": "info version"}, &text)
func (c *Client) Execute(ctx context.Context, command string, arguments, result any, files ...*os.File) error {
	request, err := marshal(command, arguments)
	if err != nil {
		return fmt.Errorf("qmp: the arguments of %s: %w", command, err)
	}
	reply, err := c.RunContext(ctx, request, files...)
	if err != nil || result == nil {
		return err
	}
	var envelope struct{ Return json.RawMessage }
	if err := json.Unmarshal(reply, &envelope); err != nil {
		return fmt.Errorf("qmp: the answer to %s: %w", command, err)
	}
	if err := json.Unmarshal(envelope.Return, result); err != nil {
		return fmt.Errorf("qmp: the answer to %s: %w", command, err)
	}
	return nil
}

// marshal makes a command. Nil has many types, a map's and a pointer's among them: what is null in JSON is none.
func marshal(command string, arguments any) ([]byte, error) {
	text, err := json.Marshal(arguments)
	if err != nil {
		return nil, err
	}
	if string(text) == "null" {
		text = nil
	}
	return json.Marshal(struct {
		Execute   string          `json:"execute"`
		Arguments json.RawMessage `json:"arguments,omitempty"`
	}{command, text})
}
