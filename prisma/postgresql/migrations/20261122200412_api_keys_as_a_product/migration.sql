-- AlterTable
ALTER TABLE "Organization" ADD COLUMN     "features" JSONB NOT NULL DEFAULT '[]';

-- AlterTable
ALTER TABLE "ApiKey" ADD COLUMN     "access" TEXT NOT NULL DEFAULT 'custom',
ADD COLUMN     "callsPerMinute" INTEGER,
ADD COLUMN     "callsPerMonth" INTEGER,
ADD COLUMN     "creatorId" TEXT,
ADD COLUMN     "creditsPerMonth" INTEGER,
ADD COLUMN     "imported" BOOLEAN NOT NULL DEFAULT false,
ADD COLUMN     "objects" JSONB NOT NULL DEFAULT '{}',
ADD COLUMN     "organizations" JSONB NOT NULL DEFAULT '[]',
ADD COLUMN     "rotatedFrom" TEXT,
ADD COLUMN     "rotatedTo" TEXT;

-- CreateTable
CREATE TABLE "Member" (
    "id" TEXT NOT NULL,
    "organizationId" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "role" TEXT NOT NULL,
    "scopes" JSONB,
    "createdAt" TIMESTAMP(3) NOT NULL,
    "removedAt" TIMESTAMP(3),

    CONSTRAINT "Member_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "PublishableKey" (
    "id" TEXT NOT NULL,
    "publishable" TEXT NOT NULL,
    "organizationId" TEXT NOT NULL,
    "resourceId" TEXT NOT NULL,
    "environment" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "publicJwk" JSONB NOT NULL,
    "scopes" JSONB NOT NULL,
    "createdBy" TEXT NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL,
    "revokedAt" TIMESTAMP(3),

    CONSTRAINT "PublishableKey_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "WebhookToken" (
    "id" TEXT NOT NULL,
    "digest" TEXT NOT NULL,
    "hint" TEXT NOT NULL,
    "organizationId" TEXT NOT NULL,
    "resourceId" TEXT NOT NULL,
    "apiKeyId" TEXT NOT NULL,
    "objectType" TEXT NOT NULL,
    "objectId" TEXT NOT NULL,
    "createdBy" TEXT NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL,
    "revokedAt" TIMESTAMP(3),

    CONSTRAINT "WebhookToken_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "CreditAccount" (
    "organizationId" TEXT NOT NULL,
    "environment" TEXT NOT NULL,
    "balance" BIGINT NOT NULL,

    CONSTRAINT "CreditAccount_pkey" PRIMARY KEY ("organizationId","environment")
);

-- CreateTable
CREATE TABLE "CreditEntry" (
    "id" TEXT NOT NULL,
    "organizationId" TEXT NOT NULL,
    "environment" TEXT NOT NULL,
    "apiKeyId" TEXT,
    "amount" BIGINT NOT NULL,
    "balance" BIGINT NOT NULL,
    "reason" TEXT NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "CreditEntry_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "KeyUsage" (
    "apiKeyId" TEXT NOT NULL,
    "day" TEXT NOT NULL,
    "calls" BIGINT NOT NULL,
    "credits" BIGINT NOT NULL,

    CONSTRAINT "KeyUsage_pkey" PRIMARY KEY ("apiKeyId","day")
);

-- CreateTable
CREATE TABLE "KeyAllowance" (
    "apiKeyId" TEXT NOT NULL,
    "month" TEXT NOT NULL,
    "calls" BIGINT NOT NULL,
    "credits" BIGINT NOT NULL,

    CONSTRAINT "KeyAllowance_pkey" PRIMARY KEY ("apiKeyId","month")
);

-- CreateIndex
CREATE INDEX "Member_createdAt_id_idx" ON "Member"("createdAt", "id");

-- CreateIndex
CREATE INDEX "Member_organizationId_createdAt_id_idx" ON "Member"("organizationId", "createdAt", "id");

-- CreateIndex
CREATE UNIQUE INDEX "PublishableKey_publishable_key" ON "PublishableKey"("publishable");

-- CreateIndex
CREATE INDEX "PublishableKey_organizationId_createdAt_id_idx" ON "PublishableKey"("organizationId", "createdAt", "id");

-- CreateIndex
CREATE INDEX "PublishableKey_resourceId_idx" ON "PublishableKey"("resourceId");

-- CreateIndex
CREATE UNIQUE INDEX "WebhookToken_digest_key" ON "WebhookToken"("digest");

-- CreateIndex
CREATE INDEX "WebhookToken_organizationId_createdAt_id_idx" ON "WebhookToken"("organizationId", "createdAt", "id");

-- CreateIndex
CREATE INDEX "WebhookToken_resourceId_idx" ON "WebhookToken"("resourceId");

-- CreateIndex
CREATE INDEX "WebhookToken_apiKeyId_idx" ON "WebhookToken"("apiKeyId");

-- CreateIndex
CREATE INDEX "CreditEntry_organizationId_environment_createdAt_id_idx" ON "CreditEntry"("organizationId", "environment", "createdAt", "id");

-- CreateIndex
CREATE INDEX "ApiKey_creatorId_idx" ON "ApiKey"("creatorId");

-- AddForeignKey
ALTER TABLE "ApiKey" ADD CONSTRAINT "ApiKey_creatorId_fkey" FOREIGN KEY ("creatorId") REFERENCES "Member"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Member" ADD CONSTRAINT "Member_organizationId_fkey" FOREIGN KEY ("organizationId") REFERENCES "Organization"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "PublishableKey" ADD CONSTRAINT "PublishableKey_organizationId_fkey" FOREIGN KEY ("organizationId") REFERENCES "Organization"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "PublishableKey" ADD CONSTRAINT "PublishableKey_resourceId_fkey" FOREIGN KEY ("resourceId") REFERENCES "Resource"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "WebhookToken" ADD CONSTRAINT "WebhookToken_organizationId_fkey" FOREIGN KEY ("organizationId") REFERENCES "Organization"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "WebhookToken" ADD CONSTRAINT "WebhookToken_resourceId_fkey" FOREIGN KEY ("resourceId") REFERENCES "Resource"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "WebhookToken" ADD CONSTRAINT "WebhookToken_apiKeyId_fkey" FOREIGN KEY ("apiKeyId") REFERENCES "ApiKey"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "CreditAccount" ADD CONSTRAINT "CreditAccount_organizationId_fkey" FOREIGN KEY ("organizationId") REFERENCES "Organization"("id") ON DELETE RESTRICT ON UPDATE CASCADE;
