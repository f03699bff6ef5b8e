//go:build alknet_addon

package secret

// allocate makes a region with memcall. The addon is a guest in somebody's
// process: memguard would set that process's RLIMIT_CORE to zero when loaded
// (TestMemoryLimits looks).
func allocate(size int) (r region, locked bool, err error) {
	p, err := newPages(size)
	if err != nil {
		return nil, false, err
	}
	return p, p.locked, nil
}
