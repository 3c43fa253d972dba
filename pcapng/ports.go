package pcapng

// hijacked reports whether Wireshark takes what is on a TCP port for another
// protocol than HTTP.
func hijacked(port uint16) bool {
	switch port {
	case 1080, 1433, 1883, 3306, 5010, 5222, 5432, 5672, 5900, 6379, 7000, 8009, 8023, 8085, 8554, 8600,
		9009, 9042, 9092, 9300, 9418, 10809, 11211, 40000:
		return true
	}
	return false
}
