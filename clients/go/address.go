package latchkey

import (
	"net/http"
	"net/netip"
	"regexp"
	"strings"
)

var withPort = regexp.MustCompile(`^(?:(\d+\.\d+\.\d+\.\d+)|\[([0-9A-Fa-f:.]{2,45})\])(?::\d{1,5})?$`)

// readAddress reads an address with or without a port (RFC 7239 §6). An IPv4-mapped one is its IPv4 form. The zero
// Addr: it is none, or one with a zone.
func readAddress(text string) netip.Addr {
	// What net/http has as the address of a peer.
	if read, err := netip.ParseAddrPort(text); err == nil {
		if read.Addr().Zone() != "" {
			return netip.Addr{}
		}
		return read.Addr().Unmap()
	}
	if match := withPort.FindStringSubmatch(text); match != nil {
		text = match[1] + match[2]
	}
	address, err := netip.ParseAddr(text)
	if err != nil || address.Zone() != "" {
		return netip.Addr{}
	}
	return address.Unmap()
}

// A caller is the origin of a request: its address, which is the zero Addr when it cannot be told, and whether it came
// over TLS.
type caller struct {
	address netip.Addr
	tls     bool
}

// callerOf reads the origin of a request. What proxies say of it counts only as far as the proxies are trusted.
func callerOf(r *http.Request, trusted []netip.Prefix) caller {
	peer := readAddress(r.RemoteAddr)
	from := caller{peer, r.TLS != nil}
	if !isWithin(peer, trusted) {
		return from
	}
	forwarded := splitList(r.Header["X-Forwarded-For"])
	for i := len(forwarded) - 1; i >= 0 && isWithin(from.address, trusted); i-- {
		from.address = readAddress(forwarded[i])
	}
	if schemes := splitList(r.Header["X-Forwarded-Proto"]); len(schemes) > 0 {
		from.tls = strings.EqualFold(schemes[len(schemes)-1], "https")
	}
	return from
}

func splitList(lines []string) []string {
	var items []string
	for _, item := range strings.Split(strings.Join(lines, ","), ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}
