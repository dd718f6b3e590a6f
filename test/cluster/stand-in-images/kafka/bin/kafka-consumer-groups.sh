#!/bin/sh
exec /opt/kafka/bin/java-program org.apache.kafka.tools.consumer.group.ConsumerGroupCommand "$@"
