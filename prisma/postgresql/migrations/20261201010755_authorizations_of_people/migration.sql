-- CreateTable
CREATE TABLE "Authorization" (
    "id" TEXT NOT NULL,
    "organizationId" TEXT NOT NULL,
    "memberId" TEXT NOT NULL,
    "clientId" TEXT NOT NULL,
    "resourceId" TEXT NOT NULL,
    "scopes" JSONB NOT NULL,
    "identityScopes" JSONB NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL,
    "redeemedAt" TIMESTAMP(3),
    "lastUsedAt" TIMESTAMP(3),
    "expiresAt" TIMESTAMP(3) NOT NULL,
    "endedAt" TIMESTAMP(3),
    "endedReason" TEXT,
    "revision" INTEGER NOT NULL DEFAULT 1,

    CONSTRAINT "Authorization_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Consent" (
    "id" TEXT NOT NULL,
    "organizationId" TEXT NOT NULL,
    "memberId" TEXT NOT NULL,
    "clientId" TEXT NOT NULL,
    "resourceId" TEXT NOT NULL,
    "scopes" JSONB NOT NULL,
    "identityScopes" JSONB NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL,
    "updatedAt" TIMESTAMP(3) NOT NULL,
    "revision" INTEGER NOT NULL DEFAULT 1,

    CONSTRAINT "Consent_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "AuthorizationStep" (
    "digest" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "authorizationId" TEXT,
    "content" TEXT NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL,
    "expiresAt" TIMESTAMP(3) NOT NULL,
    "consumedAt" TIMESTAMP(3),

    CONSTRAINT "AuthorizationStep_pkey" PRIMARY KEY ("digest")
);

-- CreateIndex
CREATE INDEX "Authorization_createdAt_id_idx" ON "Authorization"("createdAt", "id");

-- CreateIndex
CREATE INDEX "Authorization_organizationId_createdAt_id_idx" ON "Authorization"("organizationId", "createdAt", "id");

-- CreateIndex
CREATE INDEX "Authorization_memberId_clientId_resourceId_idx" ON "Authorization"("memberId", "clientId", "resourceId");

-- CreateIndex
CREATE INDEX "Authorization_clientId_idx" ON "Authorization"("clientId");

-- CreateIndex
CREATE INDEX "Authorization_expiresAt_idx" ON "Authorization"("expiresAt");

-- CreateIndex
CREATE INDEX "Authorization_redeemedAt_createdAt_idx" ON "Authorization"("redeemedAt", "createdAt");

-- CreateIndex
CREATE INDEX "Consent_createdAt_id_idx" ON "Consent"("createdAt", "id");

-- CreateIndex
CREATE INDEX "Consent_organizationId_createdAt_id_idx" ON "Consent"("organizationId", "createdAt", "id");

-- CreateIndex
CREATE INDEX "Consent_clientId_idx" ON "Consent"("clientId");

-- CreateIndex
CREATE UNIQUE INDEX "Consent_memberId_clientId_resourceId_key" ON "Consent"("memberId", "clientId", "resourceId");

-- CreateIndex
CREATE INDEX "AuthorizationStep_authorizationId_idx" ON "AuthorizationStep"("authorizationId");

-- CreateIndex
CREATE INDEX "AuthorizationStep_expiresAt_idx" ON "AuthorizationStep"("expiresAt");

-- AddForeignKey
ALTER TABLE "Authorization" ADD CONSTRAINT "Authorization_organizationId_fkey" FOREIGN KEY ("organizationId") REFERENCES "Organization"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Authorization" ADD CONSTRAINT "Authorization_memberId_fkey" FOREIGN KEY ("memberId") REFERENCES "Member"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Consent" ADD CONSTRAINT "Consent_organizationId_fkey" FOREIGN KEY ("organizationId") REFERENCES "Organization"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Consent" ADD CONSTRAINT "Consent_memberId_fkey" FOREIGN KEY ("memberId") REFERENCES "Member"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "AuthorizationStep" ADD CONSTRAINT "AuthorizationStep_authorizationId_fkey" FOREIGN KEY ("authorizationId") REFERENCES "Authorization"("id") ON DELETE CASCADE ON UPDATE CASCADE;
