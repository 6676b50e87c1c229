package proof

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Points lists the crash points of the source, in the order of the files. It
// fails on a name that is no literal, or that two places share.
func Points() ([]string, error) {
	var names []string
	where := map[string]string{}
	err := filepath.WalkDir(filepath.Join(root, "internal"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			hit, ok := n.(*ast.CallExpr)
			if !ok || !isHit(hit.Fun) || err != nil {
				return err == nil
			}
			literal, ok := hit.Args[0].(*ast.BasicLit)
			if !ok {
				err = fmt.Errorf("%s: the name of a crash point must be a literal", set.Position(hit.Pos()))
				return false
			}
			name, _ := strconv.Unquote(literal.Value) // the parser has read it
			if other := where[name]; other != "" {
				err = fmt.Errorf("%s: crash point %s is also at %s", set.Position(hit.Pos()), name, other)
			}
			where[name] = set.Position(hit.Pos()).String()
			names = append(names, name)
			return true
		})
		return err
	})
	return names, err
}

func isHit(fun ast.Expr) bool {
	selector, ok := fun.(*ast.SelectorExpr)
	if !ok || selector.Sel.Name != "Hit" {
		return false
	}
	pkg, ok := selector.X.(*ast.Ident)
	return ok && pkg.Name == "crashpoint"
}

// readTrace counts the points hit, by name.
func readTrace(file string) (map[string]int, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	hits := map[string]int{}
	for name := range strings.Lines(string(text)) {
		hits[strings.TrimSpace(name)]++
	}
	return hits, nil
}
