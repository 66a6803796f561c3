#!/bin/sh
# Restores the snapshot; prints the instance's name for down.sh, then its URL.
set -eu
name=rehearsal-$$-$(date +%s)
echo "$name"
password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
aws rds restore-db-instance-from-db-snapshot --db-instance-identifier "$name" --db-snapshot-identifier "$RDS_SNAPSHOT" \
    --db-instance-class "$RDS_CLASS" --db-subnet-group-name "$RDS_SUBNET_GROUP" \
    --vpc-security-group-ids "$RDS_SECURITY_GROUP" --no-multi-az --no-publicly-accessible >&2
aws rds wait db-instance-available --db-instance-identifier "$name"
# Nobody knows the password of a snapshot: the instance gets one of its own.
aws rds modify-db-instance --db-instance-identifier "$name" --master-user-password "$password" --apply-immediately >&2
sleep "${RDS_SETTLE:-60}"
aws rds wait db-instance-available --db-instance-identifier "$name"
host=$(aws rds describe-db-instances --db-instance-identifier "$name" --query 'DBInstances[0].Endpoint.Address' --output text)
port=$(aws rds describe-db-instances --db-instance-identifier "$name" --query 'DBInstances[0].Endpoint.Port' --output text)
echo "postgresql://$RDS_USER:$password@$host:$port/$RDS_DATABASE?sslmode=${RDS_SSLMODE:-require}"
