package llm

import "testing"

// Of a conversation that grows, what an exchange before it had is known; a
// conversation that differs early on is not taken for it.
func TestHistory(t *testing.T) {
	user := func(text string) Message { return Message{"user", []Part{{Kind: Text, Text: text}}} }
	said := func(text string) Message { return Message{"assistant", []Part{{Kind: Text, Text: text}}} }
	use := Message{"assistant", []Part{{Kind: Thinking, Text: "Hm."}, {Kind: Text, Text: "I look. "}, {Kind: ToolUse, Name: "ls", ID: "1", Text: `{"a": 1}`}}}
	// As clients send it back: other white space, no thinking.
	back := Message{"assistant", []Part{{Kind: Text, Text: "I look."}, {Kind: ToolUse, Name: "ls", ID: "1", Text: `{"a":1}`}}}
	result := Message{"user", []Part{{Kind: Result, ID: "1", Text: "x"}}}
	system := []Part{{Kind: Text, Text: "Be exact."}}
	var h History
	for _, step := range []struct {
		id   uint64
		chat Chat
		want Known
	}{
		{9, Chat{System: system, Messages: []Message{user("a")}, Counts: true}, Known{}}, // and not known by that
		{1, Chat{System: system, Messages: []Message{user("a")}, Answer: use}, Known{}},
		{2, Chat{Messages: []Message{user("title?")}, Answer: said("A title")}, Known{}},
		{3, Chat{System: system, Messages: []Message{user("a"), back, result}, Answer: said("Done")}, Known{Messages: 2, In: 1, System: 1}},
		{4, Chat{System: system, Messages: []Message{user("a"), back, result, {"model", []Part{{Kind: Text, Text: "Done"}}}, user("b")}}, Known{Messages: 4, In: 3, System: 1}},
		{5, Chat{System: system, Messages: []Message{user("other"), back, result}}, Known{System: 1}},
		{6, Chat{System: system, Tools: []string{"ls"}, Messages: []Message{user("a"), back, result}}, Known{Messages: 3, In: 3, System: 1}},
	} {
		got := h.Add(step.id, &step.chat)
		got.Tools = 0
		if got != step.want {
			t.Errorf("exchange %d: %+v, want %+v", step.id, got, step.want)
		}
	}
}
