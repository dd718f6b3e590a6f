#!/bin/sh
exec /opt/kafka/bin/java-program kafka.admin.ConfigCommand "$@"
