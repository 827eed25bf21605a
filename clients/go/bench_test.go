package latchkey

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// What a guard adds to a request that is admitted from memory.
func BenchmarkFromMemory(b *testing.B) {
	s := newStub(b)
	g := guardOf(b, s.URL, nil, nil).trusted()
	bare := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	for name, route := range map[string]http.Handler{
		"bare": bare, "guarded": g.Require(Needs{Scopes: []string{"read"}}, bare),
	} {
		b.Run(name, func(b *testing.B) {
			r := httptest.NewRequest("GET", "/things", nil)
			r.Header.Set("X-Api-Key", goodKey)
			b.ReportAllocs()
			for i := 0; i < b.N; i++ {
				w := httptest.NewRecorder()
				if route.ServeHTTP(w, r); w.Code != 200 {
					b.Fatal(w.Code)
				}
			}
		})
	}
}
