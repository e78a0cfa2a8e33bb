// Package param lets a scaler declare its parameters once: the declaration
// binds each parameter to a Go variable, checks what users wrote, and describes
// itself for documentation, JSON schema and linting.
//
// It owns parsing and the wording of problems. It does no I/O, knows no
// scaler, no Kubernetes type and no connection, and imports the standard
// library only.
package param
