package prism

import (
	"bytes"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What server.go and linkname.go repeat is what the SDK has: the version, the
// struct, its RPCs, and the few lines that set it up.
func TestSameAsBeam(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Version}} {{.Dir}}", beamModule).Output()
	if err != nil {
		t.Fatal(err)
	}
	version, dir, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
	if version != beamVersion {
		t.Errorf(`go.mod takes Beam %s, and internal/prism is made for %s.
Look whether the SDK can listen on an address of one's choice now (then drop this package). Otherwise compare
runners/prism/internal/jobservices/server.go with server.go, and extworker.go with pool.go, make them the same, and change beamVersion.`, version, beamVersion)
	}
	services := filepath.Join(dir, "go/pkg/beam/runners/prism/internal/jobservices")
	theirs, ours := parse(t, filepath.Join(services, "server.go")), parse(t, "server.go")

	// unsafe.Pointer stands for pointers to types of internal packages.
	hide := strings.NewReplacer("*Job", "unsafe.Pointer", "*worker.MultiplexW", "unsafe.Pointer")
	want, got := theirs.fields(t, "Server"), ours.fields(t, "server")
	for i := range want {
		want[i] = hide.Replace(want[i])
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("server is not jobservices.Server:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}

	const constructor = `func NewServer(port int, execute func(*Job)) *Server {
	lis, err := net.Listen("tcp", fmt.Sprintf(":%d", port))
	if err != nil {
		panic(fmt.Sprintf("failed to listen: %v", err))
	}
	s := &Server{
		lis:     lis,
		jobs:    make(map[string]*Job),
		execute: execute,
		logger:  slog.Default(),
	}
	s.logger.Info("Serving JobManagement", slog.String("endpoint", s.Endpoint()))
	opts := []grpc.ServerOption{
		grpc.MaxRecvMsgSize(math.MaxInt32),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{
			MinTime:             20 * time.Second,
			PermitWithoutStream: true,
		}),
	}
	s.server = grpc.NewServer(opts...)
	jobpb.RegisterJobServiceServer(s.server, s)
	jobpb.RegisterArtifactStagingServiceServer(s.server, s)
	jobpb.RegisterArtifactRetrievalServiceServer(s.server, s)

	s.mw = worker.NewMultiplexW(lis, s.server, s.logger)

	return s
}`
	if got := theirs.functions(t)["NewServer"]; squeeze(got) != squeeze(constructor) {
		t.Errorf("jobservices.NewServer is now\n%s\nwhen newServer was written it was\n%s", got, constructor)
	}

	// Every RPC of theirs has one of ours that calls it, with the same types.
	linked := parse(t, "linkname.go").links(t)
	for _, file := range []string{"management.go", "artifact.go"} {
		for name := range parse(t, filepath.Join(services, file)).functions(t) {
			if !strings.HasPrefix(name, "(*Server).") || !ast.IsExported(strings.TrimPrefix(name, "(*Server).")) {
				continue
			}
			target := beamModule + "/go/pkg/beam/runners/prism/internal/jobservices." + name
			if !linked[target] {
				t.Errorf("linkname.go lacks %s", target)
			}
			if ours.functions(t)["(*server)."+strings.TrimPrefix(name, "(*Server).")] == "" {
				t.Errorf("server.go lacks %s", name)
			}
			delete(linked, target)
		}
	}
	for target := range linked {
		if strings.Contains(target, "/jobservices.") {
			t.Errorf("linkname.go names %s, which Beam does not have", target)
		}
	}
}

type source struct {
	files *token.FileSet
	*ast.File
}

func parse(t *testing.T, path string) source {
	t.Helper()
	files := token.NewFileSet()
	f, err := parser.ParseFile(files, path, nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	return source{files, f}
}

// text is a node's source, without comments.
func (s source) text(t *testing.T, node any) string {
	t.Helper()
	var b bytes.Buffer
	if err := format.Node(&b, s.files, node); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// fields are the fields of a struct, "name type", in order.
func (s source) fields(t *testing.T, name string) (fields []string) {
	t.Helper()
	ast.Inspect(s.File, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok || spec.Name.Name != name {
			return true
		}
		for _, f := range spec.Type.(*ast.StructType).Fields.List {
			typ := s.text(t, f.Type)
			if len(f.Names) == 0 {
				fields = append(fields, typ)
			}
			for _, n := range f.Names {
				fields = append(fields, n.Name+" "+typ)
			}
		}
		return false
	})
	if len(fields) == 0 {
		t.Fatalf("no struct %s", name)
	}
	return fields
}

// functions are the functions and methods of a file, without comments.
func (s source) functions(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, d := range s.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		name := f.Name.Name
		if f.Recv != nil {
			name = "(" + s.text(t, f.Recv.List[0].Type) + ")." + name
		}
		f.Doc = nil
		all[name] = s.text(t, f)
	}
	return all
}

// links are the symbols that go:linkname names.
func (s source) links(t *testing.T) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	for _, group := range s.Comments {
		for _, c := range group.List {
			if words := strings.Fields(c.Text); words[0] == "//go:linkname" {
				all[words[2]] = true
			}
		}
	}
	return all
}

// squeeze is a text without white space: where a comment was does not matter.
func squeeze(s string) string { return strings.Join(strings.Fields(s), "") }
