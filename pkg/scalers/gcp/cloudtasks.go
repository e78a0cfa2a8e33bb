package gcp

import (
	"context"
	"strings"
	"time"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

func cloudtasksKinds() []scaler.Kind {
	return []scaler.Kind{{
		Name:  "gcp-cloudtasks",
		Title: "Google Cloud Tasks",
		About: "The number of tasks in a queue, as Cloud Monitoring has it. " +
			"Google writes it once a minute and shows it a minute or two later.",
		Since:       "2.12",
		Permissions: "`monitoring.timeSeries.list`; the role `roles/monitoring.viewer` has it.",
		Cost: "One timeSeries.list request a poll for about 50 triggers with the same project, credentials and filterDuration. " +
			"Google bills requests to Monitoring or the series that they return, beyond what is free each month.",
		ByHand: `curl -sG -H "Authorization: Bearer $(gcloud auth print-access-token)" https://monitoring.googleapis.com/v3/projects/shop/timeSeries ` +
			`--data-urlencode 'filter=metric.type="cloudtasks.googleapis.com/queue/depth" AND resource.labels.queue_id="mails"' ` +
			`-d interval.startTime=2026-01-01T10:00:00Z -d interval.endTime=2026-01-01T10:05:00Z`,
		Examples: []scaler.Example{
			{
				Title:    "Tasks of a queue",
				Metadata: map[string]string{"projectID": "shop", "queueName": "mails", "value": "50"},
				Auth:     exampleAuth(),
			},
			{
				Title: "A queue whose name others have in other regions",
				Metadata: map[string]string{
					"projectID": "shop", "queueName": "projects/shop/locations/europe-west1/queues/mails", "value": "50", "activationValue": "5", "filterDuration": "5",
				},
				Identity: "gcp",
			},
		},
		New: func() scaler.Config { return &cloudtasksConfig{} },
	}}
}

// cloudtasksConfig is one trigger.
type cloudtasksConfig struct {
	value, activation float64
	minutes           int64
	queue, project    string
	gcp               conn.GCP
}

// mostMinutes is the longest filterDuration, a week.
const mostMinutes = 7 * 24 * 60

// Params implements scaler.Config.
func (c *cloudtasksConfig) Params() param.Set {
	return param.Set{
		param.Text("queueName", &c.queue).Required().Example("mails").
			Doc("Queue, by its name or as projects/<project>/locations/<location>/queues/<name>."),
		param.Text("projectID", &c.project).Required().Example("shop").Doc("Project that the queue is in."),
		param.Float("value", &c.value).Default(100).Target().Doc("Tasks per replica."),
		param.Float("activationValue", &c.activation).Activation().Doc("Number of tasks above which the workload is active."),
		param.Int("filterDuration", &c.minutes).Max(mostMinutes).Example("5").Doc("How far to look back for the newest value, in minutes; 2 when unset or not above 0."),
	}.With(c.gcp.Params())
}

var (
	// From Cloud Tasks' rules of resource names.
	queueName    = param.NewForm(`^[a-zA-Z0-9-]+$`, 100)
	locationName = param.NewForm(`^[a-z0-9-]+$`, 60)
)

// Check implements scaler.Checker.
func (c *cloudtasksConfig) Check() param.Problems {
	ps := c.gcp.Check()
	if !projectName.MatchString(c.project) {
		ps.Errorf("metadata.projectID", "found %.100q; expected the ID of a project", c.project)
	}
	project, _, _, ok := splitQueue(c.queue)
	switch {
	case !ok:
		ps.Errorf("metadata.queueName", "found %.100q; expected a name that Cloud Tasks can have, or projects/<project>/locations/<location>/queues/<name>", c.queue)
	case project != "" && project != c.project:
		ps.Errorf("metadata.queueName", "is in the project %s; expected the same one in projectID", project)
	}
	return ps
}

// splitQueue reads "name" or "projects/p/locations/l/queues/name".
func splitQueue(text string) (project, location, name string, ok bool) {
	parts := strings.Split(text, "/")
	switch {
	case len(parts) == 1:
		name = text
	case len(parts) == 6 && parts[0] == "projects" && parts[2] == "locations" && parts[4] == "queues" && locationName.MatchString(parts[3]):
		project, location, name = parts[1], parts[3], parts[5]
	}
	return project, location, name, queueName.MatchString(name)
}

// Metric implements scaler.Config, as upstream names it.
func (c *cloudtasksConfig) Metric() string { return "gcp-ct-" + c.queue }

// Open implements scaler.Config.
func (c *cloudtasksConfig) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	client, err := conn.OpenGCP(env, &c.gcp, monitoringService(), newMonitoring)
	if err != nil {
		return nil, err
	}
	_, location, name, _ := splitQueue(c.queue)
	what := target{
		project: c.project, kind: "cloud_tasks_queue", resource: "queue", metric: "cloudtasks.googleapis.com/queue/depth", horizon: lookBack(c.minutes),
	}
	if location != "" {
		what.filter = "resource.labels.location=" + quote(location)
	}
	s := newMetricSource(client, env, what, name)
	s.helps, s.choose = "and a filterDuration that reaches back to its newest value", "queueName as projects/<project>/locations/<location>/queues/<name>"
	return s, nil
}

// lookBack is a filterDuration as a span of time, upstream's when it says none.
func lookBack(minutes int64) time.Duration {
	const usual = 2 * time.Minute
	if minutes <= 0 {
		return usual
	}
	return time.Duration(minutes) * time.Minute
}
