package kafkaserver

import (
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// DeleteOffset removes a group's committed offset on a partition.
func (c *Client) DeleteOffset(t testing.TB, group, topic string, partition int) {
	t.Helper()
	ctx, cancel := within()
	defer cancel()
	req := kmsg.NewPtrOffsetDeleteRequest()
	req.Group = group
	rt := kmsg.NewOffsetDeleteRequestTopic()
	rt.Topic = topic
	rp := kmsg.NewOffsetDeleteRequestTopicPartition()
	rp.Partition = int32(partition)
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	resp, err := req.RequestWith(ctx, c.Client)
	if err == nil && resp.ErrorCode != 0 {
		err = fmt.Errorf("error code %d", resp.ErrorCode)
	}
	if err == nil {
		if code := resp.Topics[0].Partitions[0].ErrorCode; code != 0 {
			err = fmt.Errorf("error code %d", code)
		}
	}
	if err != nil {
		t.Fatalf("deleting an offset of group %s: %v", group, err)
	}
}

// DeleteGroup removes a group and all its committed offsets.
func (c *Client) DeleteGroup(t testing.TB, group string) {
	t.Helper()
	ctx, cancel := within()
	defer cancel()
	req := kmsg.NewPtrDeleteGroupsRequest()
	req.Groups = []string{group}
	resp, err := c.Request(ctx, req)
	if err == nil {
		if code := resp.(*kmsg.DeleteGroupsResponse).Groups[0].ErrorCode; code != 0 {
			err = fmt.Errorf("error code %d", code)
		}
	}
	if err != nil {
		t.Fatalf("deleting group %s: %v", group, err)
	}
}

// Leaders returns how many partitions of a topic each broker leads; a
// partition without a leader counts for -1.
func (c *Client) Leaders(topic string) (map[int32]int, error) {
	ctx, cancel := within()
	defer cancel()
	req := kmsg.NewPtrMetadataRequest()
	rt := kmsg.NewMetadataRequestTopic()
	rt.Topic = &topic
	req.Topics = append(req.Topics, rt)
	resp, err := req.RequestWith(ctx, c.Client)
	if err == nil {
		err = kerr.ErrorForCode(resp.Topics[0].ErrorCode)
	}
	if err != nil {
		return nil, fmt.Errorf("describing topic %s: %w", topic, err)
	}
	out := map[int32]int{}
	for _, p := range resp.Topics[0].Partitions {
		out[p.Leader]++
	}
	return out, nil
}

// ElectPreferred gives every partition back to its first replica where that
// runs and has caught up.
func (c *Client) ElectPreferred() error {
	ctx, cancel := within()
	defer cancel()
	req := kmsg.NewPtrElectLeadersRequest()
	req.Topics, req.TimeoutMillis = nil, 10_000 // all topics
	resp, err := req.RequestWith(ctx, c.Client)
	if err == nil {
		err = kerr.ErrorForCode(resp.ErrorCode)
	}
	if err != nil {
		return fmt.Errorf("electing leaders: %w", err)
	}
	return nil
}

// Revoke takes all that Allow has granted a user.
func (c *Client) Revoke(t testing.TB, user string) {
	t.Helper()
	ctx, cancel := within()
	defer cancel()
	req := kmsg.NewPtrDeleteACLsRequest()
	acl := kmsg.NewDeleteACLsRequestFilter()
	principal := "User:" + user
	acl.Principal, acl.ResourceType, acl.ResourcePatternType = &principal, kmsg.ACLResourceTypeAny, kmsg.ACLResourcePatternTypeAny
	acl.Operation, acl.PermissionType = kmsg.ACLOperationAny, kmsg.ACLPermissionTypeAny
	req.Filters = append(req.Filters, acl)
	resp, err := c.Request(ctx, req)
	if err == nil {
		err = kerr.ErrorForCode(resp.(*kmsg.DeleteACLsResponse).Results[0].ErrorCode)
	}
	if err != nil {
		t.Fatalf("revoking what %s may: %v", user, err)
	}
}

// End returns the offset after a partition's last record.
func (c *Client) End(t testing.TB, topic string, partition int) int64 {
	t.Helper()
	ctx, cancel := within()
	defer cancel()
	req := kmsg.NewPtrListOffsetsRequest()
	rt := kmsg.NewListOffsetsRequestTopic()
	rt.Topic = topic
	rp := kmsg.NewListOffsetsRequestTopicPartition()
	rp.Partition, rp.Timestamp = int32(partition), -1 // the end
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	resp, err := c.Request(ctx, req)
	if err == nil {
		err = kerr.ErrorForCode(resp.(*kmsg.ListOffsetsResponse).Topics[0].Partitions[0].ErrorCode)
	}
	if err != nil {
		t.Fatalf("looking for the end of topic %s: %v", topic, err)
	}
	return resp.(*kmsg.ListOffsetsResponse).Topics[0].Partitions[0].Offset
}
