package main

import (
	"context"
	"debug/buildinfo"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdx"
	"github.com/spdx/tools-golang/spdx/v2/common"
)

// none is how SPDX says that nothing is asserted.
const none = "NOASSERTION"

// writeSBOM writes an SPDX document for each program: its digest, the Go
// version and the modules that the linker put in, with licences.
func writeSBOM(ctx context.Context, root, out string, programs []program, s source) error {
	all, err := modules(ctx, root)
	if err != nil {
		return err
	}
	known := map[string][]string{}
	for _, m := range all {
		known[m.Path] = m.Licences
	}
	for _, p := range programs {
		doc, err := document(p, known, s)
		if err != nil {
			return err
		}
		path := filepath.Join(out, filepath.Base(p.Path)+".spdx.json")
		if err := writeFile(path, func(w io.Writer) error { return json.Write(doc, w, json.Indent(" ")) }); err != nil {
			return err
		}
	}
	return nil
}

func document(p program, licences map[string][]string, s source) (*spdx.Document, error) {
	info, err := buildinfo.ReadFile(p.Path)
	if err != nil {
		return nil, fmt.Errorf("reading what %s is made of: %w", p.Path, err)
	}
	digest, err := sha256Of(p.Path)
	if err != nil {
		return nil, err
	}
	name := filepath.Base(p.Path)
	main := &spdx.Package{
		PackageName: "keda", PackageSPDXIdentifier: "keda", PackageVersion: s.Version, PackageFileName: name,
		PackageDownloadLocation: "https://github.com/kedago/keda", PackageLicenseConcluded: none, PackageLicenseDeclared: "Apache-2.0",
		PackageCopyrightText: none, PackageChecksums: []spdx.Checksum{{Algorithm: spdx.SHA256, Value: digest}},
		PrimaryPackagePurpose: "APPLICATION",
	}
	doc := &spdx.Document{
		SPDXVersion: spdx.Version, DataLicense: spdx.DataLicense, SPDXIdentifier: "DOCUMENT", DocumentName: name + " " + s.Version,
		DocumentNamespace: "https://github.com/kedago/keda/sbom/" + digest,
		CreationInfo: &spdx.CreationInfo{
			Created: s.Date.Format(time.RFC3339), Creators: []spdx.Creator{{CreatorType: "Tool", Creator: "keda-release"}},
		},
		Packages:      []*spdx.Package{main},
		Relationships: []*spdx.Relationship{relation("DOCUMENT", common.TypeRelationshipDescribe, "keda")},
	}
	add := func(path, version, licence string) {
		id := common.ElementID(fmt.Sprintf("module-%d", len(doc.Packages)))
		doc.Packages = append(doc.Packages, &spdx.Package{
			PackageName: path, PackageSPDXIdentifier: id, PackageVersion: version, PackageDownloadLocation: none,
			PackageLicenseConcluded: none, PackageLicenseDeclared: licence, PackageCopyrightText: none,
			PackageExternalReferences: []*spdx.PackageExternalReference{{
				Category: common.CategoryPackageManager, RefType: common.TypePackageManagerPURL, Locator: "pkg:golang/" + path + "@" + version,
			}},
		})
		doc.Relationships = append(doc.Relationships, relation("keda", common.TypeRelationshipDependsOn, id))
	}
	add("stdlib", strings.TrimPrefix(info.GoVersion, "go"), "BSD-3-Clause")
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		licence := none // in the programs of other platforms only
		if ids := licences[m.Path]; len(ids) > 0 {
			licence = strings.Join(ids, " AND ")
		}
		add(m.Path, m.Version, licence)
	}
	return doc, nil
}

func relation(from common.ElementID, kind string, to common.ElementID) *spdx.Relationship {
	return &spdx.Relationship{RefA: common.DocElementID{ElementRefID: from}, Relationship: kind, RefB: common.DocElementID{ElementRefID: to}}
}
