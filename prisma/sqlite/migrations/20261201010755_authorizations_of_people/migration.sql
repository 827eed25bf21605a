-- CreateTable
CREATE TABLE "Authorization" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "organizationId" TEXT NOT NULL,
    "memberId" TEXT NOT NULL,
    "clientId" TEXT NOT NULL,
    "resourceId" TEXT NOT NULL,
    "scopes" JSONB NOT NULL,
    "identityScopes" JSONB NOT NULL,
    "createdAt" DATETIME NOT NULL,
    "redeemedAt" DATETIME,
    "lastUsedAt" DATETIME,
    "expiresAt" DATETIME NOT NULL,
    "endedAt" DATETIME,
    "endedReason" TEXT,
    "revision" INTEGER NOT NULL DEFAULT 1,
    CONSTRAINT "Authorization_organizationId_fkey" FOREIGN KEY ("organizationId") REFERENCES "Organization" ("id") ON DELETE RESTRICT ON UPDATE CASCADE,
    CONSTRAINT "Authorization_memberId_fkey" FOREIGN KEY ("memberId") REFERENCES "Member" ("id") ON DELETE RESTRICT ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "Consent" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "organizationId" TEXT NOT NULL,
    "memberId" TEXT NOT NULL,
    "clientId" TEXT NOT NULL,
    "resourceId" TEXT NOT NULL,
    "scopes" JSONB NOT NULL,
    "identityScopes" JSONB NOT NULL,
    "createdAt" DATETIME NOT NULL,
    "updatedAt" DATETIME NOT NULL,
    "revision" INTEGER NOT NULL DEFAULT 1,
    CONSTRAINT "Consent_organizationId_fkey" FOREIGN KEY ("organizationId") REFERENCES "Organization" ("id") ON DELETE RESTRICT ON UPDATE CASCADE,
    CONSTRAINT "Consent_memberId_fkey" FOREIGN KEY ("memberId") REFERENCES "Member" ("id") ON DELETE RESTRICT ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "AuthorizationStep" (
    "digest" TEXT NOT NULL PRIMARY KEY,
    "kind" TEXT NOT NULL,
    "authorizationId" TEXT,
    "content" TEXT NOT NULL,
    "createdAt" DATETIME NOT NULL,
    "expiresAt" DATETIME NOT NULL,
    "consumedAt" DATETIME,
    CONSTRAINT "AuthorizationStep_authorizationId_fkey" FOREIGN KEY ("authorizationId") REFERENCES "Authorization" ("id") ON DELETE CASCADE ON UPDATE CASCADE
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
