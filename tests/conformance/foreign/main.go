// Command foreign checks a log with software that this project did not write.
//
//	foreign tessera|sumdb FOLDER_OR_URL VKEY_FILE
//
// tessera: transparency-dev/tessera's fsck, over its own merkle and formats libraries: checkpoint, every bundle, every tile.
// sumdb: golang.org/x/mod/sumdb note and tlog, the Go checksum database's: checkpoint, every hash by authenticated
// tiles, every entry against its hash.
//
// Exit code 0: accepted, 1: rejected, with the reason on standard error, 2: wrong use. Ours is only which file is where.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/api/layout"
	"github.com/transparency-dev/tessera/client"
	"github.com/transparency-dev/tessera/fsck"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func main() {
	checks := map[string]func(location string, key note.Verifier) error{"tessera": tessera, "sumdb": sumdb}
	if len(os.Args) != 4 || checks[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: foreign tessera|sumdb FOLDER_OR_URL VKEY_FILE")
		os.Exit(2)
	}
	vkey, err := os.ReadFile(os.Args[3])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	key, err := note.NewVerifier(strings.TrimSpace(string(vkey)))
	if err == nil {
		err = checks[os.Args[1]](os.Args[2], key)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "rejected:", err)
		os.Exit(1)
	}
	fmt.Println("accepted")
}

func isURL(location string) bool { return strings.Contains(location, "://") }

// --- Tessera

func tessera(location string, key note.Verifier) error {
	var files fsck.Fetcher = client.FileFetcher{Root: location}
	if isURL(location) {
		root, err := url.Parse(location)
		if err != nil {
			return err
		}
		if files, err = client.NewHTTPFetcher(root, nil); err != nil {
			return err
		}
	}
	return fsck.New(key.Name(), key, files, leafHashes, fsck.Opts{N: 2}).Check(context.Background())
}

// leafHashes of an entry bundle, as RFC 6962 has them.
func leafHashes(bundle []byte) ([][]byte, error) {
	var entries api.EntryBundle
	if err := entries.UnmarshalText(bundle); err != nil {
		return nil, err
	}
	hashes := make([][]byte, 0, len(entries.Entries))
	for _, entry := range entries.Entries {
		hashes = append(hashes, rfc6962.DefaultHasher.HashLeaf(entry))
	}
	return hashes, nil
}

// --- the Go checksum database's libraries

func sumdb(location string, key note.Verifier) error {
	signed, err := read(location, "checkpoint")
	if err != nil {
		return err
	}
	opened, err := note.Open(signed, note.VerifierList(key))
	if err != nil {
		return err
	}
	// The Go checksum database's tree note begins with another line than the origin; the rest is the same.
	origin, rest, _ := strings.Cut(opened.Text, "\n")
	if origin != key.Name() {
		return fmt.Errorf("the checkpoint is of %s", origin)
	}
	tree, err := tlog.ParseTree([]byte("go.sum database tree\n" + rest))
	if err != nil || tree.N == 0 {
		return err
	}
	// The reader authenticates every tile against the signed root before it gives out a hash.
	hashes := tlog.TileHashReader(tree, &tiles{location, map[string][]byte{}})
	for first := int64(0); first < tree.N; first += layout.EntryBundleWidth {
		count := min(layout.EntryBundleWidth, tree.N-first)
		bundle, err := read(location, layout.EntriesPath(uint64(first/layout.EntryBundleWidth), uint8(count%layout.EntryBundleWidth)))
		if err != nil {
			return err
		}
		indexes := make([]int64, count)
		for i := range indexes {
			indexes[i] = tlog.StoredHashIndex(0, first+int64(i))
		}
		wanted, err := hashes.ReadHashes(indexes)
		if err != nil {
			return err
		}
		for i := range wanted {
			if len(bundle) < 2 || len(bundle)-2 < int(bundle[0])<<8+int(bundle[1]) {
				return fmt.Errorf("the bundle of entry %d is cut", first+int64(i))
			}
			end := 2 + int(bundle[0])<<8 + int(bundle[1])
			if tlog.RecordHash(bundle[2:end]) != wanted[i] {
				return fmt.Errorf("entry %d does not have the hash that the tree has there", first+int64(i))
			}
			bundle = bundle[end:]
		}
		if len(bundle) != 0 {
			return fmt.Errorf("the bundle of entry %d holds more than %d entries", first, count)
		}
	}
	return nil
}

// tiles by the paths of tlog-tiles, which are those of the checksum database without the tile's height.
type tiles struct {
	location string
	// Those above level 0, which are read again for every bundle.
	upper map[string][]byte
}

func (t *tiles) Height() int { return layout.TileHeight }

func (t *tiles) SaveTiles([]tlog.Tile, [][]byte) {}

func (t *tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	contents := make([][]byte, len(wanted))
	for i, tile := range wanted {
		path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
		content, known := t.upper[path]
		if !known {
			var err error
			if content, err = read(t.location, path); err != nil {
				return nil, err
			}
			if tile.L > 0 {
				t.upper[path] = content
			}
		}
		contents[i] = content
	}
	return contents, nil
}

func read(location, path string) ([]byte, error) {
	if !isURL(location) {
		return os.ReadFile(filepath.Join(location, path))
	}
	response, err := http.Get(strings.TrimSuffix(location, "/") + "/" + path)
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(response.Body)
	err = errors.Join(err, response.Body.Close())
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", path, response.Status)
	}
	return content, err
}
