package metricsapi

import (
	openapinamer "k8s.io/apiserver/pkg/endpoints/openapi"
	genericapiserver "k8s.io/apiserver/pkg/server"
	openapicommon "k8s.io/kube-openapi/pkg/common"
	"sigs.k8s.io/custom-metrics-apiserver/pkg/apiserver"
	generated "sigs.k8s.io/custom-metrics-apiserver/pkg/generated/openapi/externalmetrics"
)

// openAPI describes the API for kubectl and the aggregator. The documents are
// built when serving begins. /version is left out: its model is generated only
// together with all core types.
func openAPI() (*openapicommon.Config, *openapicommon.OpenAPIV3Config) {
	names := openapinamer.NewDefinitionNamer(apiserver.Scheme)
	v2 := genericapiserver.DefaultOpenAPIConfig(generated.GetOpenAPIDefinitions, names)
	v2.Info.Title = serverName
	v2.IgnorePrefixes = []string{"/version"}
	v3 := genericapiserver.DefaultOpenAPIV3Config(generated.GetOpenAPIDefinitions, names)
	v3.Info.Title = serverName
	v3.IgnorePrefixes = v2.IgnorePrefixes
	return v2, v3
}
