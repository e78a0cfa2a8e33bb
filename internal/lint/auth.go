package lint

import (
	"fmt"
	"net/url"
	"path/filepath"
	"slices"

	"github.com/kedago/keda/internal/egress"
	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scaler/param"
)

// Auth checks an auth object of any kind by itself.
func Auth(a *model.AuthSpec) param.Problems {
	var ps param.Problems
	entries("spec.secretTargetRef", a.Secrets, &ps)
	entries("spec.configMapTargetRef", a.ConfigMaps, &ps)
	for i, e := range a.Env {
		path := fmt.Sprintf("spec.env[%d]", i)
		required(path+".parameter", e.Parameter, "the trigger's parameter that it gives", &ps)
		required(path+".name", e.Name, "the name of an environment variable", &ps)
	}
	identity(a, &ps)
	for i, t := range a.Tokens {
		path := fmt.Sprintf("spec.boundServiceAccountToken[%d]", i)
		required(path+".parameter", t.Parameter, "the trigger's parameter that it gives", &ps)
		required(path+".serviceAccountName", t.ServiceAccount, "the name of a service account", &ps)
	}
	if a.FilePath != "" {
		filePath(a, &ps)
	}
	if o := a.OAuth2; o != nil {
		required("spec.oauth2.clientId", o.ClientID, "the client's ID", &ps)
		if !address(o.TokenURL, "http", "https") {
			// The address may hold credentials, so it is not shown.
			ps.Errorf("spec.oauth2.tokenUrl", "is missing or malformed; expected an address such as https://login.example.org/token")
		}
		secretKey("spec.oauth2.clientSecret", o.ClientSecret, &ps)
	}
	if a.Hosts != nil {
		if err := egress.CheckHosts(a.Hosts.List); err != nil {
			ps.Errorf("metadata.annotations["+model.AllowedHostsAnnotation+"]", "%v", err)
		}
	}
	stores(a, &ps)
	for _, what := range a.Retired {
		ps.Errorf("spec.podIdentity.provider", "found %s", what)
	}
	return ps
}

// filePath checks a path by itself; what it leads to is known to the operator only.
func filePath(a *model.AuthSpec, ps *param.Problems) {
	const path = "spec.filePath"
	switch {
	case !a.ClusterWide:
		ps.Errorf(path, "is for ClusterTriggerAuthentications only, since whose the operator's files are is not known; expected secretTargetRef instead")
	case !filepath.IsLocal(a.FilePath):
		ps.Errorf(path, "found %q; expected a path below the operator's --filepath-auth-root-path, such as queue/credentials.json", a.FilePath)
	}
}

// address says whether a text is an address with one of the schemes.
func address(text string, schemes ...string) bool {
	u, err := url.Parse(text)
	return err == nil && slices.Contains(schemes, u.Scheme) && u.Host != ""
}

func entries(field string, keys []model.AuthKey, ps *param.Problems) {
	for i, e := range keys {
		path := fmt.Sprintf("%s[%d]", field, i)
		required(path+".parameter", e.Parameter, "the trigger's parameter that it gives", ps)
		required(path+".name", e.Name, "the name of the object", ps)
		required(path+".key", e.Key, "a key of the object", ps)
	}
}

func required(path, value, expected string, ps *param.Problems) {
	if value == "" {
		ps.Errorf(path, "is missing; expected %s", expected)
	}
}

func identity(a *model.AuthSpec, ps *param.Problems) {
	const path = "spec.podIdentity."
	id := a.Identity
	if a.EmptyIdentityID {
		ps.Errorf(path+"identityId", "is empty; expected an ID, or no such field for the operator's own identity")
	}
	if id.RoleARN != "" && id.Owner == "workload" {
		ps.Errorf(path+"roleArn", "can't be used with identityOwner workload, whose role comes from its service account; expected one of them")
	}
	if id.ExternalID != "" && id.RoleARN == "" {
		ps.Errorf(path+"externalID", "needs roleArn, which is missing")
	}
}
