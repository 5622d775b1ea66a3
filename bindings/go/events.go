package qmp

import "context"

// Events tells every event, in order, on a channel. It may be asked for before Connect: then not even the first is
// missed. The channel is closed when the context ends, when the Client is closed, and after Disconnected has been
// told: for one that goes on across links use Stream. Read it or end the context. A slow reader holds up nothing: what
// does not fit into the queue (WithEventQueue) is told as EventsLost in its place.
func (c *Client) Events(ctx context.Context) (<-chan Event, error) {
	stream, err := c.Stream("")
	if err != nil {
		return nil, err
	}
	events := make(chan Event)
	go stream.pump(ctx, events)
	return events, nil
}

func (s *Stream) pump(ctx context.Context, events chan<- Event) {
	defer close(events)
	defer s.Close()
	for {
		event, err := s.Next(ctx)
		if err != nil {
			return
		}
		select {
		case events <- event:
		case <-ctx.Done():
			return
		case <-s.client.closed:
			return
		}
		if event.Event == Disconnected {
			return
		}
	}
}
